using System.Collections.Immutable;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>The serial that a zone was last served with, for what content. The server's owner keeps it.</summary>
/// <param name="Origin">The zone.</param>
/// <param name="OperatorSerial">The serial of its master file then.</param>
/// <param name="Serial">The serial served.</param>
/// <param name="Fingerprint">Of the records served with it, in hexadecimal.</param>
public sealed record ServedSerial(DnsName Origin, uint OperatorSerial, uint Serial, string Fingerprint);

/// <summary>
/// Gives the serials of zones whose content changes without their operator: steered or signed here. A served serial
/// never goes back while its content changes, a restart included, or secondaries would miss the change. One thread.
/// </summary>
/// <param name="known">What was kept from the last run.</param>
/// <param name="leap">
/// By how much each zone's serial goes ahead at first, because later ones than those known may have been served: the
/// last run ended before it could keep them. 0: it ended well.
/// </param>
public sealed class SerialKeeper(IEnumerable<ServedSerial>? known = null, uint leap = 0)
{
    private readonly HashSet<DnsName> toLeap = leap == 0 ? [] : [.. (known ?? []).Select(one => one.Origin)];
    private ImmutableDictionary<DnsName, ServedSerial> served =
        (known ?? []).ToImmutableDictionary(one => one.Origin);

    /// <summary>What must be there after a restart; another object when anything changed.</summary>
    public IReadOnlyDictionary<DnsName, ServedSerial> Served => Volatile.Read(ref served);

    /// <summary>A zone that once was steered or signed here must not go back to a lower serial.</summary>
    public bool Knows(DnsName origin) => served.ContainsKey(origin);

    /// <summary>
    /// The greater of the operator's serial and the one after the last (RFC 1982); the last one while nothing changed.
    /// </summary>
    public uint Next(DnsName origin, uint operatorSerial, ReadOnlySpan<byte> fingerprint)
    {
        string content = Convert.ToHexStringLower(fingerprint);
        uint serial = operatorSerial;
        if (served.TryGetValue(origin, out ServedSerial? last))
        {
            bool leaps = toLeap.Remove(origin);
            if (!leaps && last.Fingerprint == content && last.OperatorSerial == operatorSerial) return last.Serial;
            uint past = last.Serial + (leaps ? leap : 0);
            if (!SerialOrder.IsNewer(operatorSerial, past)) serial = past + 1;
            if (serial == 0) serial = 1; // Some take 0 for "none yet".
        }

        ServedSerial next = new(origin, operatorSerial, serial, content);
        Volatile.Write(ref served, served.SetItem(origin, next));
        return serial;
    }
}
