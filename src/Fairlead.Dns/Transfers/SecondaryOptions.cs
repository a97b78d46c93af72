using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>A server that a secondary zone is taken from.</summary>
public sealed record Primary
{
    public required IPEndPoint Address { get; init; }

    /// <summary>The name of the key that everything is signed with; null: unsigned.</summary>
    public DnsName? Key { get; init; }

    /// <summary>The address to ask from; null: the system's choice.</summary>
    public IPAddress? Source { get; init; }
}

/// <summary>A zone that another server is the primary of.</summary>
/// <param name="Origin">The zone.</param>
/// <param name="Primaries">Asked in this order; the first that answers is taken.</param>
public sealed record SecondaryZone(DnsName Origin, ImmutableArray<Primary> Primaries);

/// <summary>Which zones are taken from elsewhere, and how.</summary>
public sealed record SecondaryOptions
{
    public ImmutableArray<SecondaryZone> Zones { get; init; } = [];

    public ImmutableArray<TsigKey> Keys { get; init; } = [];

    /// <summary>Where copies are kept, one file a zone, so that a restart serves at once.</summary>
    public required string Folder { get; init; }

    /// <summary>SOA queries and transfers at once.</summary>
    public int TransfersMax { get; init; } = 8;

    /// <summary>A zone that comes larger than this is refused.</summary>
    public long ZoneBytesMax { get; init; } = 1L << 30;

    /// <summary>How long a primary may take for an answer, or for the next message of a transfer.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A SOA's refresh and retry count as at least this.</summary>
    public TimeSpan WaitMin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Makes the sockets; null: in the usual way.</summary>
    public Func<AddressFamily, SocketType, Socket>? NewSocket { get; init; }

    public IEnumerable<string> Problems()
    {
        HashSet<DnsName> origins = [], keys = [.. Keys.Select(key => key.Name)];
        foreach (SecondaryZone zone in Zones)
        {
            if (!origins.Add(zone.Origin)) yield return $"secondary zone {zone.Origin} is there twice";
            if (zone.Primaries.IsDefaultOrEmpty) yield return $"secondary zone {zone.Origin} has no primary";
            foreach (Primary primary in zone.Primaries)
            {
                if (primary.Key is not null && !keys.Contains(primary.Key))
                    yield return $"secondary zone {zone.Origin}: there is no key {primary.Key}";
            }
        }

        if (TransfersMax < 1) yield return "transfersMax: at least 1";
        if (ZoneBytesMax < 1) yield return "zoneBytesMax: at least 1";
        if (Patience <= TimeSpan.Zero) yield return "patience: more than 0";
        if (WaitMin < TimeSpan.FromSeconds(1)) yield return "waitMin: at least 1s";
    }
}

/// <summary>How a secondary zone stands.</summary>
/// <param name="Origin">The zone.</param>
/// <param name="Zone">What is served; one that IsExpired when there is nothing to serve.</param>
/// <param name="Problem">Why the last attempt failed; null: it did not.</param>
/// <param name="Timers">When it asks again; times since the start of the engine.</param>
/// <param name="Transfers">Versions taken since the start.</param>
/// <param name="Incremental">Of these, by IXFR.</param>
/// <param name="FreshAt">When a primary last said that this is the newest version; null: none ever did.</param>
public sealed record SecondaryStatus(
    DnsName Origin, Zones.Zone Zone, string? Problem, SecondaryTimers Timers, int Transfers, int Incremental,
    DateTimeOffset? FreshAt);
