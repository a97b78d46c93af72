using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Bgp;

/// <summary>What UPDATEs say, and RFC 7606 beyond the table of attributes (AttributeFaultTests).</summary>
public class UpdateReaderTests
{
    private static readonly UpdateContext External = new(true, true, true, true);
    private static readonly UpdateContext Internal = new(false, true, true, true);

    [Fact]
    public void Every_subset_of_the_mandatory_attributes_but_the_whole_one_withdraws()
    {
        byte[][] mandatory =
        [
            Attribute(1, 0x40, [0]), Attribute(2, 0x40, []),
            Attribute(3, 0x40, [10, 9, 0, 2]), Attribute(5, 0x40, [0, 0, 0, 1]),
        ];
        for (int subset = 0; subset < 16; subset++)
        {
            byte[] list =
                [.. Enumerable.Range(0, 4).Where(i => (subset & (1 << i)) != 0).SelectMany(i => mandatory[i])];
            Assert.Equal(subset == 15 ? UpdateAction.Accept : UpdateAction.TreatAsWithdraw, Read(list, Internal));
        }
    }

    [Theory]
    [InlineData(1, "03", UpdateAction.TreatAsWithdraw)] // An ORIGIN that does not exist.
    [InlineData(2, "020200000001", UpdateAction.TreatAsWithdraw)] // A segment that overruns.
    [InlineData(2, "0200", UpdateAction.TreatAsWithdraw)] // A segment of no AS.
    [InlineData(2, "05010000fde9", UpdateAction.TreatAsWithdraw)] // An unknown segment.
    [InlineData(2, "01010000fde9", UpdateAction.TreatAsWithdraw)] // A set, RFC 9774.
    [InlineData(2, "03010000fde9", UpdateAction.TreatAsWithdraw)] // A confederation's sequence.
    [InlineData(2, "020100000000", UpdateAction.TreatAsWithdraw)] // AS 0, RFC 7607.
    [InlineData(3, "00000000", UpdateAction.TreatAsWithdraw)]
    [InlineData(3, "e0000001", UpdateAction.TreatAsWithdraw)]
    [InlineData(7, "000000000a090002", UpdateAction.AttributeDiscard)] // An aggregator without an AS, RFC 7607.
    [InlineData(17, "02010000fde9", UpdateAction.AttributeDiscard)] // AS4_PATH from a four-octet speaker.
    [InlineData(26, "010004ff", UpdateAction.AttributeDiscard)] // An AIGP TLV of a wrong length.
    public void A_value_out_of_range_costs_what_the_rfc_says(byte type, string hex, UpdateAction expected)
    {
        byte flags = type switch { 7 or 17 => 0xc0, 26 => 0x80, _ => 0x40 };
        Assert.Equal(expected, Read(With(type, flags, Convert.FromHexString(hex))));
    }

    [Fact]
    public void The_strongest_of_several_actions_is_taken()
    {
        byte[] discard = Attribute(6, 0x40, [1]);
        byte[] withdraw = Attribute(4, 0x80, [1]);
        byte[] reset = Attribute(14, 0x80, [0]);
        Assert.Equal(UpdateAction.TreatAsWithdraw, Read([.. With(0, 0, []), .. discard, .. withdraw, .. discard]));
        Assert.Equal(UpdateAction.SessionReset, Read([.. With(0, 0, []), .. withdraw, .. reset, .. discard]));
    }

    [Fact]
    public void Unknown_attributes_pass_when_optional_and_reset_when_well_known()
    {
        Assert.Equal(UpdateAction.Accept, Read(With(99, 0xc0, [1, 2, 3])));
        Assert.Equal(UpdateAction.Accept, Read(With(99, 0x80, [])));
        Assert.Equal(UpdateAction.SessionReset, Read(With(99, 0x40, [1, 2, 3])));
    }

    [Fact]
    public void Routes_that_cannot_be_read_reset()
    {
        Assert.Equal(UpdateAction.SessionReset, Read(With(0, 0, []), routes: [33, 1, 2, 3, 4, 5]));
        Assert.Equal(UpdateAction.SessionReset, Read(With(0, 0, []), routes: [24, 1, 2]));
        for (int length = 0; length < 256; length++)
        {
            // Every length of the next hop: only 16 and 32 let the routes after it be found.
            byte[] value = [0, 2, 1, (byte)length, .. new byte[length], 0, 48, 0x20, 1, 0xd, 0xb8, 0xa0, 1];
            byte[] list = [.. With(0, 0, []), 0x90, 14, (byte)(value.Length >> 8), (byte)value.Length, .. value];
            Assert.Equal(length is 16 or 32 ? UpdateAction.Accept : UpdateAction.SessionReset, Read(list));
        }
    }

    [Fact]
    public void Routes_of_a_family_that_was_not_agreed_on_are_not_parsed()
    {
        byte[] flowSpec = Attribute(14, 0x80, [0, 1, 133, 0, 0, 0xff, 0xff, 0xff]);
        var content = new UpdateContent();
        byte[] body = Body([.. With(0, 0, []), .. flowSpec], [24, 198, 18, 1]);
        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(body, External, content));
        Assert.Equal([new PathPrefix(Prefix.Parse("198.18.1.0/24"))], content.Announced);

        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(body, External with { IPv4 = false }, content));
        Assert.Empty(content.Announced);
    }

    [Fact]
    public void Treat_as_withdraw_names_the_routes_among_the_withdrawn()
    {
        var content = new UpdateContent();
        byte[] body = Body(With(4, 0x80, [1]), [24, 198, 18, 1]);
        Assert.Equal(UpdateAction.TreatAsWithdraw, UpdateReader.Read(body, External, content));
        Assert.Equal([new PathPrefix(Prefix.Parse("198.18.1.0/24"))], content.Withdrawn);
        Assert.Empty(content.Announced);
    }

    [Fact]
    public void A_two_octet_speaker_s_path_is_joined_with_what_came_along()
    {
        var old = new UpdateContext(External: true, FourOctetAs: false, IPv4: true, IPv6: true);
        byte[] path = Attribute(2, 0x40, [2, 3, 0xfd, 0xe9, 0x5b, 0xa0, 0x5b, 0xa0]); // 65001, AS_TRANS twice.
        byte[] whole = Attribute(17, 0xc0, [2, 2, 0xfa, 0x56, 0xea, 1, 0xfa, 0x56, 0xea, 2]);
        byte[] longer = Attribute(17, 0xc0, [2, 4, .. new byte[] { 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4 }]);
        byte[] set = Attribute(17, 0xc0, [1, 1, 0, 0, 0, 1]);
        byte[] rest = [.. Attribute(1, 0x40, [0]), .. Attribute(3, 0x40, [10, 9, 0, 2])];
        byte[] aggregator = Attribute(18, 0xc0, [0, 0, 0, 9, 1, 2, 3, 4]);
        byte[] renewed = [.. Attribute(7, 0xc0, [0xfd, 0xe9, 10, 9, 0, 2]), .. aggregator];
        byte[] carried = [.. Attribute(7, 0xc0, [0x5b, 0xa0, 10, 9, 0, 2]), .. aggregator];

        Assert.Equal(["65001", "4200000001", "4200000002"], PathOf([.. rest, .. path, .. whole]));
        // RFC 6793 §4.2.3: in any order, and not when it is longer than the path or older than the aggregator.
        Assert.Equal(["65001", "4200000001", "4200000002"], PathOf([.. whole, .. path, .. rest, .. carried]));
        Assert.Equal(["65001", "23456", "23456"], PathOf([.. rest, .. path, .. longer]));
        Assert.Equal(["65001", "23456", "23456"], PathOf([.. rest, .. path, .. whole, .. renewed]));
        Assert.Equal(UpdateAction.TreatAsWithdraw, Read([.. rest, .. path, .. set], old)); // RFC 9774 §3.

        string[] PathOf(byte[] attributes)
        {
            var content = new UpdateContent();
            Assert.Equal(UpdateAction.Accept, UpdateReader.Read(Body(attributes, [24, 198, 18, 1]), old, content));
            return [.. content.AsPath.Select(asn => $"{asn.Value}")];
        }
    }

    [Fact]
    public void Path_identifiers_are_read_where_they_were_agreed_on()
    {
        var content = new UpdateContent();
        UpdateContext paths = External with { AddPathIPv4 = true };
        byte[] two = [0, 0, 0, 1, 24, 198, 18, 1, 0, 0, 0, 2, 24, 198, 18, 1];
        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(Body(With(0, 0, []), two), paths, content));
        Assert.Equal(
            ["198.18.1.0/24 path 1", "198.18.1.0/24 path 2"], content.Announced.Select(path => path.ToString()));
        Assert.Equal(UpdateAction.SessionReset, UpdateReader.Read(Body(With(0, 0, []), two[..^5]), paths, content));
    }

    [Fact]
    public void An_ipv4_route_has_an_ipv6_next_hop_only_where_it_was_agreed_on()
    {
        byte[] reach = Attribute(14, 0x80, [0, 1, 1, 16, .. Prefix.Parse("2001:db8:9::2/128").Address.GetAddressBytes(),
            0, 24, 198, 18, 1]);
        byte[] list = [.. Attribute(1, 0x40, [0]), .. Attribute(2, 0x40, []), .. reach];
        var content = new UpdateContent();
        Assert.Equal(
            UpdateAction.Accept, UpdateReader.Read(Body(list, []), External with { IPv6NextHop = true }, content));
        Assert.Equal(Prefix.Parse("2001:db8:9::2").Bits, content.MultiprotocolNextHop);
        Assert.Equal([new PathPrefix(Prefix.Parse("198.18.1.0/24"))], content.Announced);
        Assert.Equal(UpdateAction.SessionReset, Read(list, routes: []));
    }

    [Fact]
    public void The_updates_of_bird_read_as_bird_announced()
    {
        var content = new UpdateContent();
        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(Golden("update-v4"), External, content));
        Assert.Equal(["198.18.1.53/32", "198.18.1.0/24", "198.18.2.0/23"], content.Announced.Select(p => p.ToString()));
        Assert.Equal([new Asn(65001)], content.AsPath);
        Assert.Equal(42u, content.Med);
        Assert.Equal([(65000u << 16) | 7], content.Communities);
        Assert.Equal(Prefix.Parse("10.9.0.2").Bits, content.NextHop);

        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(Golden("update-v6"), External, content));
        Assert.Equal(["2001:db8:a001::53/128", "2001:db8:a001::/48"], content.Announced.Select(p => p.ToString()));
        Assert.Equal(Prefix.Parse("2001:db8:9::2").Bits, content.MultiprotocolNextHop);
        Assert.NotNull(content.LinkLocalNextHop);

        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(Golden("withdraw-v4"), External, content));
        Assert.Equal(3, content.Withdrawn.Count);
        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(Golden("withdraw-v6"), External, content));
        Assert.Equal(2, content.Withdrawn.Count);
        Assert.Null(content.EndOfRib);
    }

    [Fact]
    public void The_end_of_rib_of_bird_is_recognized_and_ours_is_the_same()
    {
        var content = new UpdateContent();
        foreach ((string name, BgpFamily family) in new[]
            { ("end-of-rib-v4", BgpFamily.IPv4Unicast), ("end-of-rib-v6", BgpFamily.IPv6Unicast) })
        {
            Assert.Equal(UpdateAction.Accept, UpdateReader.Read(Golden(name), External, content));
            Assert.Equal(family, content.EndOfRib);

            byte[] buffer = new byte[64];
            var writer = new WireWriter(buffer);
            UpdateWriter.EndOfRib(ref writer, family);
            ReadOnlySpan<byte> body = writer.Written[Message.HeaderSize..];
            Assert.Equal(UpdateAction.Accept, UpdateReader.Read(body, External, content));
            Assert.Equal(family, content.EndOfRib);
        }
    }

    private static byte[] Golden(string name) => Fixture.Hex($"bgp/{name}.hex")[Message.HeaderSize..];

    private static UpdateAction Read(byte[] attributes, UpdateContext? context = null, byte[]? routes = null)
    {
        var content = new UpdateContent();
        return UpdateReader.Read(Body(attributes, routes ?? [24, 198, 18, 1]), context ?? External, content);
    }

    // The mandatory attributes of an external route, with the given one in the place of its like or at the end.
    private static byte[] With(byte type, byte flags, byte[] value)
    {
        var all = new SortedDictionary<byte, byte[]>
        {
            [1] = Attribute(1, 0x40, [0]),
            [2] = Attribute(2, 0x40, [2, 1, 0, 0, 0xfd, 0xe9]),
            [3] = Attribute(3, 0x40, [10, 9, 0, 2]),
        };
        if (type != 0) all[type] = Attribute(type, flags, value);
        return [.. all.Values.SelectMany(bytes => bytes)];
    }

    private static byte[] Attribute(byte type, byte flags, byte[] value) =>
        (flags & 0x10) != 0
            ? [flags, type, (byte)(value.Length >> 8), (byte)value.Length, .. value]
            : [flags, type, (byte)value.Length, .. value];

    private static byte[] Body(byte[] attributes, byte[] routes) =>
        [0, 0, (byte)(attributes.Length >> 8), (byte)attributes.Length, .. attributes, .. routes];
}
