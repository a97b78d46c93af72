using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Bgp;

public class PeerOptionsTests
{
    private static readonly PeerOptions Good = new()
    {
        Name = "peer",
        Address = IPAddress.Parse("10.9.0.2"),
        LocalAs = new Asn(65000),
        PeerAs = new Asn(65001),
        RouterId = 1,
    };

    public static TheoryData<string, Func<PeerOptions, PeerOptions>> Faults => new()
    {
        { "needs an interface", options => options with { Address = IPAddress.Parse("fe80::2") } },
        { "1 to 254 hops", options => options with { Hops = 255 } },
        { "at least one prefix", options => options with { PrefixesMax = 0 } },
        { "session over IPv6", options => options with { IPv6NextHop = true } },
        { "only an external peer", options => options with { Role = SessionRole.Peer, PeerAs = options.LocalAs } },
        { "does not exist", options => options with { Role = (SessionRole)9 } },
        { "needs a role", options => options with { RoleStrict = true } },
        { "prepend", options => options with { Export = new ExportPolicy { Prepend = 65 } } },
        { "1024 octets", options => options with { Export = new ExportPolicy { Communities = [.. new uint[257]] } } },
        { "BFD interval", options => options with { Bfd = new BfdOptions { Interval = TimeSpan.Zero } } },
        { "BFD multiplier", options => options with { Bfd = new BfdOptions { Multiplier = 256 } } },
        { "BFD hops", options => options with { Bfd = new BfdOptions { HopsMax = 0 } } },
        { "restart time", options => options with { Restart = new RestartOptions { Time = TimeSpan.FromHours(2) } } },
        {
            "can survive",
            options => options with { Restart = new RestartOptions { Families = [BgpFamily.IPv6Unicast] } }
        },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void Each_fault_is_named(string words, Func<PeerOptions, PeerOptions> fault)
    {
        Assert.Empty(Good.Problems());
        Assert.Contains(words, Assert.Single(fault(Good).Problems()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_session_goes_on_when_only_what_is_watched_or_told_has_changed()
    {
        PeerOptions told = Good with
        {
            Export = new ExportPolicy { Med = 5, LargeCommunities = [new LargeCommunity(1, 2, 3)] },
            Import = new ImportPolicy { Within = [Prefix.Parse("198.18.0.0/15")] },
            Bfd = new BfdOptions(),
        };
        Assert.True(Good.KeepsSession(told));
        Assert.NotEqual(Good, told);
        Assert.Equal(told, told with
        {
            Export = new ExportPolicy { Med = 5, LargeCommunities = [new LargeCommunity(1, 2, 3)] },
            Import = new ImportPolicy { Within = [Prefix.Parse("198.18.0.0/15")] },
        });
        Assert.False(Good.KeepsSession(Good with { Role = SessionRole.Peer }));
        Assert.False(Good.KeepsSession(Good with { Restart = new RestartOptions() }));
        Assert.False(Good.KeepsSession(Good with { Address = IPAddress.Parse("10.9.0.3") }));
    }

    [Fact]
    public void A_route_names_its_faults()
    {
        var good = new Route { Prefix = Prefix.Parse("198.18.1.1/32"), NextHop = IPAddress.Parse("10.9.0.1") };
        Assert.Empty(good.Problems());
        Assert.Single((good with { Prepend = -1 }).Problems());
        Assert.Single((good with { Blackhole = true, GracefulShutdown = true }).Problems());
        Assert.Single((good with { NextHop = IPAddress.Parse("198.18.1.1") }).Problems());
        Assert.Single((good with { ExtendedCommunities = [.. new ulong[129]] }).Problems());
    }

    [Theory]
    [InlineData(0xffff0000u, "graceful-shutdown")]
    [InlineData(0xffff029au, "blackhole")]
    [InlineData(0xfde80007u, "65000:7")]
    public void Communities_are_written_as_operators_do(uint community, string text) =>
        Assert.Equal(text, Community.Format(community));

    [Theory]
    [InlineData(0x0002_fde8_0000_0309UL, "rt:65000:777")]
    [InlineData(0x0203_fa56_ea01_0009UL, "ro:4200000001:9")]
    [InlineData(0x0600_0000_0000_0001UL, "0x0600000000000001")]
    public void Extended_communities_too(ulong community, string text) =>
        Assert.Equal(text, Community.FormatExtended(community));
}
