using System.Collections.Immutable;
using Fairlead.Fleet;
using Fairlead.Health;
using Fairlead.Node;

namespace Fairlead.Api;

/// <summary>What `fairlead status` and the console see of a node.</summary>
public sealed record StatusView
{
    public required string Fleet { get; init; }

    public required string Pop { get; init; }

    public required string Node { get; init; }

    public required string Version { get; init; }

    public required long Generation { get; init; }

    public required StoreView Store { get; init; }

    public required Plan Plan { get; init; }

    public required ImmutableArray<Intent> Intents { get; init; }

    public required ImmutableArray<CheckView> Checks { get; init; }

    public required ImmutableArray<PeerView> Peers { get; init; }

    /// <summary>The prefixes this node wants announced; what the guard refuses of them is in GuardRefusals.</summary>
    public required ImmutableArray<string> Announcements { get; init; }

    /// <summary>Why the newest fleet file, zone file or geo database was not taken; empty: it was.</summary>
    public ImmutableArray<string> ReloadRefused { get; init; } = [];

    public required long GuardRefusals { get; init; }

    /// <summary>Null: no BGP is spoken here.</summary>
    public BfdRunView? Bfd { get; init; }

    /// <summary>Null: no RPKI cache is asked.</summary>
    public OriginView? Rpki { get; init; }

    /// <summary>Null: nothing is balanced in the kernel.</summary>
    public BalancerView? Balancer { get; init; }

    public required DnsView? Dns { get; init; }

    /// <summary>Null: there is no zone.</summary>
    public TransfersView? Transfers { get; init; }

    public MemoryView Memory { get; init; } = new(0, 0);
}

/// <summary>Bytes: what the process has in memory, and what of it are living objects of the managed heap.</summary>
public sealed record MemoryView(long Resident, long Heap);

public sealed record StoreView(bool Connected, double? SilentSeconds, string? Fault);

public sealed record CheckView(string Id, bool Known, bool Up, string Detail, DateTimeOffset? LastTry)
{
    public long Tries { get; init; }

    public long Failures { get; init; }

    /// <summary>Tries that said nothing of the backend: the fault was this node's.</summary>
    public long Unknowns { get; init; }

    /// <summary>How long the last try took.</summary>
    public double? TookSeconds { get; init; }

    /// <summary>When it last turned.</summary>
    public DateTimeOffset? ChangedAt { get; init; }

    public static CheckView Of(CheckStatus check) =>
        new(check.Check.Id, check.State.Known, check.State.Up, check.Detail, check.LastTry)
        {
            Tries = check.Tries,
            Failures = check.Failures,
            Unknowns = check.Unknowns,
            TookSeconds = check.Last?.Took.TotalSeconds,
            ChangedAt = check.ChangedAt,
        };
}

/// <summary>What the DNS server counts; each dictionary by its own words.</summary>
public sealed record DnsView
{
    /// <summary>udp, tcp, tls, https.</summary>
    public required ImmutableSortedDictionary<string, long> QueriesByTransport { get; init; }

    public required ImmutableSortedDictionary<string, long> QueriesByType { get; init; }

    public required ImmutableSortedDictionary<string, long> AnswersByRcode { get; init; }

    /// <summary>"web/nyc preferred": where steered answers sent clients, and why.</summary>
    public required ImmutableSortedDictionary<string, long> Steered { get; init; }

    /// <summary>Everything else, each reason for silence or refusal by itself.</summary>
    public required ImmutableSortedDictionary<string, long> Events { get; init; }

    /// <summary>From leaving the kernel's queue to being sent, in microseconds.</summary>
    public required double MedianMicroseconds { get; init; }

    public required double P99Microseconds { get; init; }

    /// <summary>Answers that the dnstap collector did not take in time.</summary>
    public required long TapDropped { get; init; }
}

/// <summary>What an operator asks for; the node makes the intent of it.</summary>
public sealed record IntentRequest
{
    public required IntentKind Kind { get; init; }

    public required string Pop { get; init; }

    public string? Prefix { get; init; }

    public string? Backend { get; init; }

    /// <summary>For an override: "name/pop" or "service/pop", * standing for anything.</summary>
    public string? Pattern { get; init; }

    public bool Up { get; init; }

    /// <summary>For later: it begins to hold after this time.</summary>
    public double InSeconds { get; init; }

    public required string Reason { get; init; }

    public required double ForSeconds { get; init; }
}

/// <summary>Why something was not done: the same envelope on every path (UX: code, message, help).</summary>
public sealed record Refusal(string Code, ImmutableArray<string> Messages);

/// <summary>What resolvers may still answer though the fleet does not any more, the longest first.</summary>
public sealed record OldAnswers(ImmutableArray<OldAnswer> Answers);

/// <summary>How BFD runs here: how late it was at worst, and how often its process had to be started again.</summary>
public sealed record BfdRunView(double WorstLatenessSeconds, long Deaths, string Urgency);
