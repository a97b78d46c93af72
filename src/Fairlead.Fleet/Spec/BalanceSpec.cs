using System.Collections.Immutable;
using System.Net.Sockets;
using Fairlead.Balancer;

namespace Fairlead.Fleet.Spec;

/// <summary>The balancer in the kernel (XDP): what all of its services stand on.</summary>
public sealed record BalancerSpec
{
    /// <summary>
    /// Sixteen bytes as hexadecimal digits. Flows are spread by it: the same on all nodes, or a flow that comes to
    /// another node moves; and secret, or somebody can choose ports that all lead to one backend.
    /// </summary>
    public required string Key { get; init; }

    /// <summary>Where clients' packets come in; a node may say otherwise.</summary>
    public ImmutableArray<string> Devices { get; init; } = [];

    /// <summary>
    /// Of one in so many packets, by chance, the node keeps what was decided: the last thousand. 0: of none.
    /// </summary>
    public int Sample { get; init; }

    public ImmutableArray<string> DevicesOf(NodeSpec node) => node.Devices.IsEmpty ? Devices : node.Devices;
}

/// <summary>How a service's packets are given to its backends by the balancer.</summary>
public sealed record BalanceSpec
{
    public DeliveryMode Mode { get; init; }

    /// <summary>
    /// The family of the backends behind VIPs of both families, which a tunnel allows; null: each family has its own.
    /// </summary>
    public AddressFamily? Over { get; init; }

    /// <summary>All flows of a client's address go to one backend.</summary>
    public bool IsSticky { get; init; }

    /// <summary>The size of its Maglev table: prime.</summary>
    public int Slots { get; init; } = 16381;

    /// <summary>Whether fragments without ports follow the first one of their packet.</summary>
    public bool FollowsFragments { get; init; } = true;

    /// <summary>How long flows that are not remembered stay with the former owner of their slot.</summary>
    public TimeSpan Transition { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>How long a backend that has come up waits for its whole weight; zero: it has it at once.</summary>
    public TimeSpan SlowStart { get; init; }

    /// <summary>Whether a pop without a healthy backend sends its packets on to the next pop's balancers.</summary>
    public bool Spills { get; init; }

    /// <summary>
    /// So many new connections a second at one backend are its kernel's own; those above are answered with SYN cookies.
    /// Zero: all are. Null: none.
    /// </summary>
    public int? SynCookies { get; init; }

    /// <summary>
    /// How all of its backends, of every pop and family, write themselves into QUIC connection ids; empty: they do not.
    /// </summary>
    public ImmutableArray<QuicConfig> Quic { get; init; } = [];
}
