using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>Why somebody did not get what he came for.</summary>
public enum TransferRefusal
{
    /// <summary>FORMERR.</summary>
    Malformed,

    /// <summary>NOTAUTH: signed with a key that is not ours, or with another algorithm.</summary>
    BadKey,

    /// <summary>NOTAUTH: the secrets differ, or the message was changed or cut.</summary>
    BadSignature,

    /// <summary>NOTAUTH: the two clocks are more than five minutes apart, or an old message came again.</summary>
    BadTime,

    /// <summary>REFUSED: no rule allows it.</summary>
    NotAllowed,

    /// <summary>NOTAUTH: allowed, but not here.</summary>
    UnknownZone,

    /// <summary>SERVFAIL: a secondary zone with nothing to give.</summary>
    Expired,

    /// <summary>SERVFAIL: too many at once.</summary>
    Busy,
}

/// <summary>The last one who was refused. Zone null: what he sent was not read so far.</summary>
public sealed record TransferRefused(DateTimeOffset At, UInt128 ClientMapped, DnsName? Zone, TransferRefusal Why);

/// <summary>Transfers given and refused since the start.</summary>
public sealed class TransferCounters
{
    private readonly long[] refused = new long[Enum.GetValues<TransferRefusal>().Length];
    private long full;
    private long incremental;
    private long notifiesTaken;
    private long notifiesRefused;
    private TransferRefused? lastRefused;

    /// <summary>AXFR queries that were let in.</summary>
    public long Full => Interlocked.Read(ref full);

    /// <summary>IXFR queries over streams that were let in, whatever they got.</summary>
    public long Incremental => Interlocked.Read(ref incremental);

    public long Refused => Enum.GetValues<TransferRefusal>().Sum(why => this[why]);

    /// <summary>NOTIFYs that were believed.</summary>
    public long NotifiesTaken => Interlocked.Read(ref notifiesTaken);

    /// <summary>NOTIFYs for other zones than ours, or not from their primaries.</summary>
    public long NotifiesRefused => Interlocked.Read(ref notifiesRefused);

    public TransferRefused? LastRefused => Volatile.Read(ref lastRefused);

    public long this[TransferRefusal why] => Interlocked.Read(ref refused[(int)why]);

    internal void Count(RecordType type) =>
        Interlocked.Increment(ref type == RecordType.Axfr ? ref full : ref incremental);

    internal void Count(TransferRefusal why, in Asker asker, DnsName? zone, DateTimeOffset now)
    {
        Interlocked.Increment(ref refused[(int)why]);
        Volatile.Write(ref lastRefused, new TransferRefused(now, asker.ClientMapped, zone, why));
    }

    internal void CountNotify(bool taken) => Interlocked.Increment(ref taken ? ref notifiesTaken : ref notifiesRefused);
}
