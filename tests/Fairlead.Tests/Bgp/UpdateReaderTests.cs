using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Bgp;

/// <summary>RFC 7606, attribute by attribute: a good UPDATE in which one attribute is damaged in one way.</summary>
public class UpdateReaderTests
{
    private static readonly UpdateContext External = new(true, true, true, true);
    private static readonly UpdateContext Internal = new(false, true, true, true);

    // Type, flags, a good value, and the action for: wrong flags, a length one short, one long, empty.
    // D: attribute discard, W: treat-as-withdraw, R: session reset, -: accepted.
    public static TheoryData<byte, byte, string, string> Attributes => new()
    {
        { 1, 0x40, "00", "WWWW" }, // ORIGIN, RFC 7606 §7.1
        { 2, 0x40, "02010000fde9", "WWW-" }, // AS_PATH, §7.2: empty is good
        { 3, 0x40, "0a090002", "WWWW" }, // NEXT_HOP, §7.3
        { 4, 0x80, "0000002a", "WWWW" }, // MULTI_EXIT_DISC, §7.4
        { 6, 0x40, "", "W?D-" }, // ATOMIC_AGGREGATE, §7.6
        { 7, 0xc0, "0000fde90a090002", "WDDD" }, // AGGREGATOR, §7.7
        { 8, 0xc0, "fde80007", "WWWW" }, // COMMUNITIES, §7.8
        { 14, 0x80, "0002011020010db8000900000000000000000002003020010db8a001", "WR-R" }, // MP_REACH_NLRI, §7.11
        { 15, 0x80, "0002013020010db8a001", "WR-R" }, // MP_UNREACH_NLRI, §7.12; a zero more is a /0
        { 16, 0xc0, "0002fde800000007", "WWWW" }, // EXTENDED COMMUNITIES, §7.14
        { 25, 0xc0, "000220010db8000000000000000000000000fde8", "WWWW" }, // IPv6 ones, §7.15
        { 26, 0x80, "01000b0000000000000001", "DDD-" }, // AIGP, RFC 7311 §3.2
        { 32, 0xc0, "0000fde80000000100000002", "WWWW" }, // LARGE_COMMUNITY, RFC 8092 §6
        { 35, 0xc0, "0000fde9", "WWWW" }, // ONLY_TO_CUSTOMER, RFC 9234 §5
    };

    [Theory]
    [MemberData(nameof(Attributes))]
    public void A_damaged_attribute_costs_what_the_rfc_says(byte type, byte flags, string hex, string expected)
    {
        byte[] value = Convert.FromHexString(hex);
        Assert.Equal(UpdateAction.Accept, Read(With(type, flags, value)));
        Assert.Equal(ActionOf(expected[0]), Read(With(type, (byte)(flags ^ 0x40), value)));
        Assert.Equal(ActionOf(expected[0]), Read(With(type, (byte)(flags ^ 0x80), value)));
        if (value.Length > 0) Assert.Equal(ActionOf(expected[1]), Read(With(type, flags, value[..^1])));
        Assert.Equal(ActionOf(expected[2]), Read(With(type, flags, [.. value, 0])));
        Assert.Equal(ActionOf(expected[3]), Read(With(type, flags, [])));
        // Reserved bits of the flags and the partial bit mean nothing (RFC 4271 §4.3).
        Assert.Equal(UpdateAction.Accept, Read(With(type, (byte)(flags | 0x2f), value)));
    }

    [Theory]
    [MemberData(nameof(Attributes))]
    public void A_second_one_is_discarded_or_resets_when_it_carries_routes(
        byte type, byte flags, string hex, string expected)
    {
        Assert.Equal(4, expected.Length);
        byte[] value = Convert.FromHexString(hex);
        byte[] twice = [.. With(type, flags, value), .. Attribute(type, flags, value)];
        UpdateAction action = Read(twice);
        Assert.Equal(type is 14 or 15 ? UpdateAction.SessionReset : UpdateAction.AttributeDiscard, action);
    }

    [Theory]
    [MemberData(nameof(Attributes))]
    public void One_that_overruns_the_list_withdraws_the_routes_beside_it(
        byte type, byte flags, string hex, string expected)
    {
        Assert.Equal(4, expected.Length);
        byte[] value = Convert.FromHexString(hex);
        byte[] overrun = [.. With(0, 0, []), flags, type, (byte)(value.Length + 1), .. value];
        // RFC 7606 §4; the NLRI field is found by the list's own length.
        Assert.Equal(UpdateAction.TreatAsWithdraw, Read(overrun));
        // RFC 7606 §5.2: without routes beside it, they may be in the damaged part.
        Assert.Equal(UpdateAction.SessionReset, Read(overrun, routes: []));
    }

    [Theory]
    [InlineData(5, 0x40, "00000064")] // LOCAL_PREF
    [InlineData(9, 0x80, "0a000001")] // ORIGINATOR_ID
    [InlineData(10, 0x80, "0a000001")] // CLUSTER_LIST
    public void Internal_attributes_are_discarded_from_outside_and_checked_inside(byte type, byte flags, string hex)
    {
        byte[] value = Convert.FromHexString(hex);
        Assert.Equal(UpdateAction.AttributeDiscard, Read(With(type, flags, value)));
        Assert.Equal(UpdateAction.AttributeDiscard, Read(With(type, flags, [1])));
        byte[] localPref = type == 5 ? [] : Attribute(5, 0x40, [0, 0, 0, 100]);
        Assert.Equal(UpdateAction.Accept, Read([.. With(type, flags, value), .. localPref], Internal));
        Assert.Equal(UpdateAction.TreatAsWithdraw, Read([.. With(type, flags, value[..^1]), .. localPref], Internal));
        Assert.Equal(UpdateAction.TreatAsWithdraw, Read([.. With(type, flags, []), .. localPref], Internal));
    }

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
    [InlineData(17, "02010000fde9", UpdateAction.AttributeDiscard)] // AS4_PATH from a four-octet speaker.
    [InlineData(26, "010004ff", UpdateAction.AttributeDiscard)] // An AIGP TLV of a wrong length.
    public void A_value_out_of_range_costs_what_the_rfc_says(byte type, string hex, UpdateAction expected)
    {
        byte flags = type switch { 17 => 0xc0, 26 => 0x80, _ => 0x40 };
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
        Assert.Equal([Prefix.Parse("198.18.1.0/24")], content.Announced);

        Assert.Equal(UpdateAction.Accept, UpdateReader.Read(body, External with { IPv4 = false }, content));
        Assert.Empty(content.Announced);
    }

    [Fact]
    public void Treat_as_withdraw_names_the_routes_among_the_withdrawn()
    {
        var content = new UpdateContent();
        byte[] body = Body(With(4, 0x80, [1]), [24, 198, 18, 1]);
        Assert.Equal(UpdateAction.TreatAsWithdraw, UpdateReader.Read(body, External, content));
        Assert.Equal([Prefix.Parse("198.18.1.0/24")], content.Withdrawn);
        Assert.Empty(content.Announced);
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
        Assert.Equal(Prefix.Parse("2001:db8:9::2").Bits, content.NextHop);
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

    private static UpdateAction ActionOf(char letter) => letter switch
    {
        'D' => UpdateAction.AttributeDiscard,
        'W' => UpdateAction.TreatAsWithdraw,
        'R' => UpdateAction.SessionReset,
        _ => UpdateAction.Accept,
    };
}
