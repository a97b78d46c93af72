using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Bgp;

public class CapabilityTests
{
    private static readonly PeerOptions Options = new()
    {
        Name = "peer",
        Address = IPAddress.Parse("2001:db8:9::2"),
        LocalAs = new Asn(65000),
        PeerAs = new Asn(65001),
        RouterId = 1,
        Families = [BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast],
    };

    [Fact]
    public void Capabilities_read_back_as_they_were_written() => Property.Holds(2_000, random =>
    {
        Capabilities sent = Any(random);
        byte[] buffer = new byte[1024];
        var writer = new WireWriter(buffer);
        sent.Write(ref writer);
        Same(sent, new Capabilities().Read(writer.Written)!);
    });

    [Fact]
    public void More_capabilities_than_255_octets_go_in_the_extended_form() => Property.Holds(200, random =>
    {
        // RFC 9072 §2.
        var many = new Capabilities
        {
            Families = [.. Enumerable.Range(1, random.Next(40, 60)).Select(afi => new BgpFamily((ushort)afi, 1))],
        };
        var open = new OpenMessage { As = new Asn(1), HoldSeconds = 9, RouterId = 1, Capabilities = many };
        byte[] buffer = new byte[Message.SizeMax];
        var writer = new WireWriter(buffer);
        open.Write(ref writer);
        OpenMessage read = OpenMessage.TryRead(writer.Written[Message.HeaderSize..], out _)!;
        Assert.Equal(many.Families, read.Capabilities.Families.AsEnumerable());
    });

    [Fact]
    public void Every_length_of_every_capability_is_taken_or_ignored()
    {
        for (int code = 0; code < 256; code++)
        {
            for (int length = 0; length < 256; length++)
            {
                byte[] value = [(byte)code, (byte)length, .. Enumerable.Repeat((byte)1, length)];
                Assert.NotNull(new Capabilities().Read(value));
                Assert.Null(new Capabilities().Read(value.AsSpan(0, value.Length - 1)));
            }
        }
    }

    [Fact]
    public void We_offer_what_the_options_say_and_restart_only_when_asked()
    {
        Capabilities plain = Negotiation.OurOpen(Options, first: true).Capabilities;
        Assert.Null(plain.Restart);
        Assert.Null(plain.Role);
        Assert.Empty(plain.AddPath);
        Assert.True(plain is { RouteRefresh: true, EnhancedRefresh: true, ExtendedMessage: true });

        PeerOptions kept = Options with
        {
            Restart = new RestartOptions { Families = [BgpFamily.IPv4Unicast], Restarted = true },
        };
        RestartCapability restart = Negotiation.OurOpen(kept, first: true).Capabilities.Restart!;
        Assert.True(restart is { Restarted: true, OverNotification: true, Seconds: 30 });
        Assert.Equal([BgpFamily.IPv4Unicast], restart.Forwards.AsEnumerable());
        // RFC 4724 §3: only the first session after the restart says so.
        Assert.False(Negotiation.OurOpen(kept, first: false).Capabilities.Restart!.Restarted);
    }

    [Fact]
    public void A_process_that_has_found_nothing_in_the_kernel_has_the_peer_drop_what_it_kept()
    {
        PeerOptions fresh = Options with { Restart = new RestartOptions { Families = [BgpFamily.IPv4Unicast] } };
        RestartCapability first = Negotiation.OurOpen(fresh, first: true).Capabilities.Restart!;
        Assert.False(first.Restarted);
        Assert.Equal([BgpFamily.IPv4Unicast], first.Kept.AsEnumerable());
        Assert.Empty(first.Forwards);
        // A later session follows on one of this process, and the kernel has gone on meanwhile.
        RestartCapability later = Negotiation.OurOpen(fresh, first: false).Capabilities.Restart!;
        Assert.Equal([BgpFamily.IPv4Unicast], later.Forwards.AsEnumerable());
    }

    [Fact]
    public void Only_what_both_sides_offer_is_agreed_on() => Property.Holds(2_000, random =>
    {
        PeerOptions options = Options with
        {
            AddPath = random.Next(2) == 0,
            IPv6NextHop = random.Next(2) == 0,
            Restart = random.Next(2) == 0 ? null : new RestartOptions(),
        };
        Capabilities theirs = Any(random) with { Role = null };
        var open = new OpenMessage { As = new Asn(65001), HoldSeconds = 9, RouterId = 2, Capabilities = theirs };
        if (Negotiation.TryAgree(options, open, out _) is not { } agreed) return;

        Assert.All(agreed.Families, family => Assert.Contains(family, options.OfferedFamilies));
        Assert.All(agreed.AddPath, family =>
            Assert.True(options.AddPath && theirs.AddPath[family].HasFlag(AddPathMode.Send)));
        Assert.Equal(
            options.IPv6NextHop && theirs.IPv6NextHop.Contains(BgpFamily.IPv4Unicast), agreed.IPv6NextHop);
        Assert.Equal(theirs.ExtendedMessage ? 65535 : 4096, agreed.MessageSizeMax);
        Assert.Equal(theirs.EnhancedRefresh, agreed.EnhancedRefresh);
        Assert.Equal(options.Restart is null ? null : theirs.Restart, agreed.Restart);
    });

    // RFC 9234 §4.2, Table 2; columns: the peer is provider, route server, its client, customer, peer, says nothing.
    [Theory]
    [InlineData(SessionRole.Provider, "---+-+")]
    [InlineData(SessionRole.RouteServer, "--+--+")]
    [InlineData(SessionRole.RouteServerClient, "-+---+")]
    [InlineData(SessionRole.Customer, "+----+")]
    [InlineData(SessionRole.Peer, "----++")]
    public void Roles_must_fit_each_other(SessionRole ours, string fits)
    {
        for (int role = 0; role <= 5; role++)
        {
            var open = new OpenMessage
            {
                As = new Asn(65001),
                HoldSeconds = 9,
                RouterId = 2,
                Capabilities = new Capabilities { Role = role == 5 ? null : (SessionRole)role },
            };
            PeerOptions options = Options with { Role = ours };
            Assert.Equal(fits[role] == '+', Negotiation.TryAgree(options, open, out Notification? fault) is not null);
            if (fault is not null) Assert.Equal(OpenSubcode.RoleMismatch, fault.Subcode);
            bool strict = Negotiation.TryAgree(options with { RoleStrict = true }, open, out _) is not null;
            Assert.Equal(fits[role] == '+' && role != 5, strict);
        }
    }

    [Fact]
    public void Two_different_roles_in_one_open_are_refused()
    {
        Capabilities both = new Capabilities().Read([9, 1, 3, 9, 1, 3])!;
        Assert.False(both.RoleConflict);
        both = both.Read([9, 1, 0])!;
        var open = new OpenMessage { As = new Asn(65001), HoldSeconds = 9, RouterId = 2, Capabilities = both };
        Assert.Null(Negotiation.TryAgree(Options with { Role = SessionRole.Customer }, open, out _));
    }

    [Fact]
    public void A_hard_reset_carries_its_reason()
    {
        Notification sent = Notification.Shutdown("rack 7 moves").AsHardReset();
        byte[] buffer = new byte[Message.SizeMax];
        var writer = new WireWriter(buffer);
        sent.Write(ref writer);
        Notification read = Notification.Read(writer.Written[Message.HeaderSize..]);
        Assert.True(read.IsHardReset);
        Assert.Equal("rack 7 moves", read.ShutdownText());
        Assert.Equal("hard reset (6/9), administrative shutdown (6/2): rack 7 moves", read.ToString());
        // One that wraps itself, or nothing, is still only a text.
        Assert.Equal("hard reset (6/9)", new Notification(NotificationCode.Cease, 9, [6, 9, 6, 9]).ToString());
        Assert.Equal("hard reset (6/9)", new Notification(NotificationCode.Cease, 9).ToString());
    }

    [Theory]
    [InlineData("0001000100", true, NotificationCode.Header)]
    [InlineData("000101", true, NotificationCode.RouteRefresh)]
    [InlineData("0001010100", true, NotificationCode.RouteRefresh)]
    [InlineData("0001010100", false, NotificationCode.Header)]
    public void A_route_refresh_of_a_wrong_length_is_answered(string hex, bool enhanced, NotificationCode code)
    {
        Assert.Null(Message.ReadRouteRefresh(Convert.FromHexString(hex), enhanced, out Notification? fault));
        Assert.Equal(code, fault!.Code);
        // RFC 7313 §5: the whole message comes back.
        int whole = Message.HeaderSize + (hex.Length / 2);
        if (code == NotificationCode.RouteRefresh) Assert.Equal(whole, fault.Data.Length);
    }

    private static Capabilities Any(Random random)
    {
        BgpFamily[] both = [BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast];
        var restart = new RestartCapability
        {
            Restarted = random.Next(2) == 0,
            OverNotification = random.Next(2) == 0,
            Seconds = random.Next(4096),
            Kept = Some(),
        };
        return new Capabilities
        {
            Families = Some(),
            FourOctetAs = random.Next(2) == 0 ? null : new Asn(65001),
            RouteRefresh = random.Next(2) == 0,
            EnhancedRefresh = random.Next(2) == 0,
            ExtendedMessage = random.Next(2) == 0,
            IPv6NextHop = Some(),
            AddPath = Some().ToImmutableDictionary(family => family, _ => (AddPathMode)random.Next(1, 4)),
            Role = random.Next(2) == 0 ? null : (SessionRole)random.Next(5),
            Restart = random.Next(2) == 0 ? null : restart with { Forwards = [.. restart.Kept.Take(1)] },
        };

        ImmutableArray<BgpFamily> Some() => [.. both.Where(_ => random.Next(2) == 0)];
    }

    private static void Same(Capabilities sent, Capabilities read)
    {
        Assert.Equal(sent.Families, read.Families.AsEnumerable());
        Assert.Equal(sent.IPv6NextHop, read.IPv6NextHop.AsEnumerable());
        Assert.Equal(
            sent.AddPath.OrderBy(entry => entry.Key.Afi), read.AddPath.OrderBy(entry => entry.Key.Afi));
        Assert.Equal((sent.FourOctetAs, sent.RouteRefresh, sent.EnhancedRefresh, sent.ExtendedMessage, sent.Role),
            (read.FourOctetAs, read.RouteRefresh, read.EnhancedRefresh, read.ExtendedMessage, read.Role));
        Assert.Equal(sent.Restart is null, read.Restart is null);
        if (sent.Restart is not { } restart) return;
        Assert.Equal((restart.Restarted, restart.OverNotification, restart.Seconds),
            (read.Restart!.Restarted, read.Restart.OverNotification, read.Restart.Seconds));
        Assert.Equal(restart.Kept, read.Restart.Kept.AsEnumerable());
        Assert.Equal(restart.Forwards, read.Restart.Forwards.AsEnumerable());
    }
}
