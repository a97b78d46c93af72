using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Spec;

/// <summary>A TSIG key (RFC 8945); its secret stands here or in a file of its own.</summary>
public sealed record TsigKeySpec
{
    /// <summary>As written, with or without the last dot.</summary>
    public required string Name { get; init; }

    public TsigAlgorithm Algorithm { get; init; }

    /// <summary>In base64.</summary>
    public string? Secret { get; init; }

    /// <summary>A file that holds the base64, relative to the fleet file.</summary>
    public string? SecretFile { get; init; }

    public DnsName KeyName => DnsName.Parse(Name.TrimEnd('.') + ".");
}

/// <summary>The secret of a key as text. It is never shown: whoever prints faults is no safe.</summary>
public static class TsigSecret
{
    /// <summary>Base64 (RFC 4648) of at least one byte.</summary>
    public static bool IsBase64(string text) =>
        Convert.TryFromBase64String(text, new byte[text.Length + 1], out int length) && length > 0;
}

/// <summary>Who may take zones. With prefixes and keys both must fit.</summary>
public sealed record TransferSpec
{
    /// <summary>Null: every zone.</summary>
    public DnsName? Zone { get; init; }

    public ImmutableArray<Prefix> From { get; init; } = [];

    public ImmutableArray<DnsName> Keys { get; init; } = [];
}

/// <summary>Whom to tell of new versions.</summary>
public sealed record NotifySpec
{
    /// <summary>Null: every zone that may be taken.</summary>
    public DnsName? Zone { get; init; }

    public required IPEndPoint To { get; init; }

    public DnsName? Key { get; init; }

    /// <summary>Null: the system's choice.</summary>
    public IPAddress? Source { get; init; }
}

/// <summary>A server that a secondary zone is taken from.</summary>
public sealed record PrimarySpec
{
    public required IPEndPoint Address { get; init; }

    public DnsName? Key { get; init; }

    /// <summary>Null: the system's choice.</summary>
    public IPAddress? Source { get; init; }
}
