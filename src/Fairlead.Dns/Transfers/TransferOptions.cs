using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// Who may take zones. With prefixes and keys both must fit; with neither the rule allows nobody and is a problem.
/// </summary>
public sealed record TransferRule
{
    /// <summary>The zone's origin; null: every zone.</summary>
    public DnsName? Zone { get; init; }

    /// <summary>From where; empty: from anywhere.</summary>
    public ImmutableArray<Prefix> From { get; init; } = [];

    /// <summary>Signed with one of these keys; empty: unsigned too.</summary>
    public ImmutableArray<DnsName> Keys { get; init; } = [];

    internal bool Allows(DnsName origin, UInt128 clientMapped, DnsName? signedWith) =>
        (Zone is null || Zone == origin)
        && (From.IsEmpty || From.Any(prefix => prefix.Contains(Prefix.OfMapped(clientMapped, 128))))
        && (Keys.IsEmpty ? !From.IsEmpty : signedWith is not null && Keys.Contains(signedWith));
}

/// <summary>Whom to tell of a new version (RFC 1996).</summary>
public sealed record NotifyTarget
{
    /// <summary>The zone's origin; null: every zone that may be transferred.</summary>
    public DnsName? Zone { get; init; }

    public required IPEndPoint To { get; init; }

    /// <summary>The name of the key to sign with; null: unsigned.</summary>
    public DnsName? Key { get; init; }

    /// <summary>The address to send from; null: the system's choice.</summary>
    public IPAddress? Source { get; init; }
}

/// <summary>What leaves, to whom. By default nothing does.</summary>
public sealed record TransferOptions
{
    /// <summary>All TSIG keys, those of the secondary zones too.</summary>
    public ImmutableArray<TsigKey> Keys { get; init; } = [];

    public ImmutableArray<TransferRule> Allow { get; init; } = [];

    public ImmutableArray<NotifyTarget> Notify { get; init; } = [];

    /// <summary>Transfers at once; whoever comes then is told SERVFAIL and comes again.</summary>
    public int TransfersMax { get; init; } = 32;

    /// <summary>Messages of a transfer are filled up to this.</summary>
    public int MessageBytes { get; init; } = 32_768;

    /// <summary>What is kept of a zone's changes for IXFR; beyond it the oldest go.</summary>
    public long JournalBytesMax { get; init; } = 8 << 20;

    /// <summary>Makes the sockets that we ask and tell others with; null: in the usual way.</summary>
    public Func<AddressFamily, SocketType, Socket>? NewSocket { get; init; }

    public IEnumerable<string> Problems()
    {
        HashSet<DnsName> names = [];
        foreach (TsigKey key in Keys)
        {
            if (!names.Add(key.Name)) yield return $"key {key.Name} is there twice";
        }

        foreach (TransferRule rule in Allow)
        {
            if (rule.From.IsEmpty && rule.Keys.IsEmpty) yield return "transfer: a rule needs from or key";
            foreach (DnsName key in rule.Keys.Where(key => !names.Contains(key)))
                yield return $"transfer: there is no key {key}";
        }

        foreach (NotifyTarget target in Notify.Where(target => target.Key is not null && !names.Contains(target.Key)))
            yield return $"notify {target.To}: there is no key {target.Key}";
        if (TransfersMax < 1) yield return "transfersMax: at least 1";
        if (MessageBytes is < 1024 or > 65_535) yield return "messageBytes: from 1024 to 65535";
        if (JournalBytesMax < 0) yield return "journalBytesMax: not less than 0";
    }

    /// <summary>Whether anybody may take the zone.</summary>
    public bool IsTransferred(DnsName origin) => Allow.Any(rule => rule.Zone is null || rule.Zone == origin);
}

/// <summary>
/// Options that hold together, and their keys by name. Immutable; a handler goes from one to the next.
/// </summary>
internal sealed class TransferSettings
{
    /// <summary>ArgumentException when the options have problems.</summary>
    public TransferSettings(TransferOptions options)
    {
        List<string> problems = [.. options.Problems()];
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        (Options, Keys) = (options, new TsigKeys(options.Keys));
    }

    public TransferOptions Options { get; }

    public TsigKeys Keys { get; }
}
