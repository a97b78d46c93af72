using System.Collections.Immutable;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Net.Addresses;

namespace Fairlead.InteropTests.Bgp;

public class BirdSessionTests
{
    private static readonly string Both =
        SpeakerBed.Protocol("v4", "ipv4") + SpeakerBed.Protocol("v6", "ipv6");

    [InteropFact("bird", "ip")]
    public async Task Bird_has_our_host_routes_and_aggregates_over_both_families()
    {
        await using var bed = new SpeakerBed(
            Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4), SpeakerBed.Peer("v6", SpeakerBed.Bird6));
        bed.Speaker.Apply(SpeakerBed.Routes(
            1, "198.18.1.0/24", "198.18.1.53/32", "2001:db8:a001::/48", "2001:db8:a001::53/128"));
        bed.AwaitUp("v4");
        bed.AwaitUp("v6");

        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master4") == 2, "two IPv4 routes");
        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master6") == 2, "two IPv6 routes");
        string shown = bed.Bird.Ask("show route 198.18.1.53/32 all");
        Assert.Contains("BGP.as_path: 4200000001", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.next_hop: 10.9.0.1", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.origin: IGP", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.next_hop: 2001:db8:9::1",
            bed.Bird.Ask("show route 2001:db8:a001::53/128 all"), StringComparison.Ordinal);
    }
}
