using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;
using static Fairlead.Fleet.Spec.Yaml.Scalars;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>The keys of the balancer in the kernel.</summary>
internal static class BalanceShapes
{
    public static readonly ListOf<string> Devices = new(Device);

    public static readonly ObjectOf<BalancerSpec> Balancer = new("balancer", f => new BalancerSpec
    {
        Key = f.Required("key", HexKey, "the same on all nodes and secret: flows are spread by it"),
        Devices = f.Optional("devices", Devices, [], "where clients' packets come in; a node may say otherwise")
            is { IsDefault: false } devices ? devices : [],
        Sample = f.Optional("sample", Number(0, 1_000_000_000), 0,
            "of one in so many packets, by chance, the node keeps what was decided; 0: of none"),
    });

    // What holds of these values is the balancer's to say, once: BalanceRules asks it.
    private static readonly ObjectOf<QuicConfig> Quic = new("a QUIC configuration", f => new QuicConfig
    {
        Config = f.Required("config", Number(0, 255), "its number in the first three bits of connection ids, 0 to 6"),
        NonceBytes = f.Required("nonce", Number(0, 255), "bytes of an id's nonce, 4 at least"),
        // Any text: a fault must not show what was meant to be secret.
        Key = f.Optional("key", Text, "", "32 hex digits that ids are encrypted with; without: in plain text"),
        Ids = f.Required("ids", Ids, "each backend's server id in hex, all of one length; or a list of ids")
            is { IsDefault: false } ids ? ids : [],
    });

    private static MadeOf<ImmutableArray<KeyValuePair<string, ImmutableArray<string>>>, ImmutableArray<QuicServerId>>
        Ids => new(
            new MapOf<ImmutableArray<string>>(AddressText, new OneOrMore<string>(Text)),
            map =>
            [
                .. from pair in map
                   from id in pair.Value
                   select new QuicServerId(id, IPAddress.Parse(pair.Key)),
            ]);

    public static readonly ObjectOf<BalanceSpec> Balance = new("balance", f => new BalanceSpec
    {
        Mode = f.Optional("mode",
            new OneOf<DeliveryMode>(("l2", DeliveryMode.L2), ("ip", DeliveryMode.Ip), ("gue", DeliveryMode.Gue)),
            DeliveryMode.L2,
            "l2: backends on the same link; ip: in an IP packet; gue: in UDP, with a second chance during changes"),
        Over = f.Optional("over",
            new OneOf<AddressFamily?>(
                ("ipv4", AddressFamily.InterNetwork), ("ipv6", AddressFamily.InterNetworkV6)),
            null, "VIPs of both families go to backends of this one (mode ip or gue)"),
        IsSticky = f.Optional("sticky", Switch, false, "all flows of a client's address go to one backend"),
        Slots = f.Optional("slots", Number(2, 1_000_003), 16381, "size of its table, prime: a hundred a backend"),
        FollowsFragments = f.Optional("followFragments", Switch, true,
            "fragments without ports follow the first of their packet; or they go by addresses alone"),
        Transition = f.Optional("transition", Duration, TimeSpan.FromMinutes(15),
            "how long after a change flows that are not remembered stay where they were"),
        SlowStart = f.Optional("slowStart", Duration, TimeSpan.Zero,
            "a backend that comes up gets a tenth of its new flows at first, and another with each tenth of this time"),
        Spills = f.Optional("spill", Switch, false,
            "a pop without a healthy backend sends packets on to the balancers of the nearest pop that has some"),
        SynCookies = f.Optional<int?>("synCookies", FleetShapes.Nullable(Number(0, 10_000_000)), null,
            "new TCP connections a second that a backend's kernel takes; more are answered with SYN cookies; 0: all"),
        Quic = f.Optional("quic", new ListOf<QuicConfig>(Quic), [],
            "QUIC-LB: how backends write themselves into connection ids, which then lead to them")
            is { IsDefault: false } quic ? quic : [],
    });
}
