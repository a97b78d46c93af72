using System.Collections.Immutable;

namespace Fairlead.Fleet.Spec;

/// <summary>How many of a pool must be healthy: a count, or a share of it in per cent.</summary>
public readonly record struct Quota(int Count, int Percent = 0)
{
    /// <summary>The count in a pool of this size: at least one.</summary>
    public int Of(int size) => Math.Max(1, Percent > 0 ? (int)(((long)size * Percent + 99) / 100) : Count);
}

public enum AnnounceWhen
{
    /// <summary>While the pool is healthy.</summary>
    Healthy,

    /// <summary>Whatever its checks say.</summary>
    Always,
    Never,
}

/// <summary>How a service's host routes are told to the routers.</summary>
public sealed record AnnounceSpec
{
    public AnnounceWhen When { get; init; }

    /// <summary>Pops that differ from When.</summary>
    public ImmutableSortedDictionary<string, AnnounceWhen> Pops { get; init; } =
        ImmutableSortedDictionary<string, AnnounceWhen>.Empty;

    /// <summary>MULTI_EXIT_DISC of the route (RFC 4271 §5.1.4); null: none.</summary>
    public int? Med { get; init; }

    /// <summary>How often the node's AS stands in the path beyond once.</summary>
    public int Prepend { get; init; }

    public ImmutableArray<uint> Communities { get; init; } = [];

    /// <summary>How long a pool that had failed must be healthy before it is announced as before.</summary>
    public TimeSpan WarmUp { get; init; }

    /// <summary>What a pool that fails is told as before it is withdrawn; null: it is withdrawn at once.</summary>
    public FailingSpec? Failing { get; init; }

    public AnnounceWhen In(string pop) => Pops.GetValueOrDefault(pop, When);
}

/// <summary>The last choice, before it is none: routers that have another way take it, and nobody is cut off.</summary>
public sealed record FailingSpec
{
    /// <summary>How long before it is withdrawn.</summary>
    public required TimeSpan For { get; init; }

    public int? Med { get; init; }

    public int Prepend { get; init; }

    /// <summary>The community that makes a route the last choice (RFC 8326 §4).</summary>
    public bool GracefulShutdown { get; init; } = true;
}
