namespace Fairlead.Bgp.Rpki;

public enum RtrState
{
    /// <summary>No connection.</summary>
    Down,

    /// <summary>A query is out.</summary>
    Asking,

    /// <summary>Between Cache Response and End of Data.</summary>
    Receiving,
    Synced,

    /// <summary>The cache had no data; it is asked again after the retry interval.</summary>
    Waiting,
}

/// <summary>What a step of the session asks for, in this order: publish, send, close.</summary>
/// <param name="Close">Why the connection ends.</param>
/// <param name="Again">The next connection, made at once, asks for something else.</param>
public readonly record struct RtrStep(
    OriginValidation? Publish = null, byte[]? Send = null, string? Close = null, bool Again = false);

/// <summary>
/// A router's side of the RPKI to Router protocol (RFC 8210; version 0: RFC 6810), without socket or clock: each step
/// takes what happened, and when, and says what to do. What a cache sends is staged, and published whole at its End of
/// Data: half of an update would make valid routes invalid. A lost connection keeps the data until it expires.
/// </summary>
/// <param name="expireMax">Data older than this is forgotten, whatever the cache allows.</param>
public sealed class RtrSession(TimeSpan expireMax, int payloadsMax = RtrSession.PayloadsMaxDefault)
{
    public const int PayloadsMaxDefault = 4_000_000;

    private const byte NewestVersion = 1;

    // A cache that has begun to answer must go on; one that is silent for this long is not there.
    private static readonly TimeSpan SilenceMax = TimeSpan.FromSeconds(60);

    // RFC 8210 §6: the defaults, which version 0 leaves to us.
    private static readonly (uint Refresh, uint Retry, uint Expire) DefaultTimers = (3600, 600, 7200);

    private readonly Dictionary<RoaPayload, bool> staged = [];
    private OriginValidation table = OriginValidation.Empty;
    private ushort? session;
    private bool isAgreed;
    private bool isWhole;
    private bool mayBeNewer;
    private bool mustAskAll;
    private byte firstVersion = NewestVersion;
    private TimeSpan refresh;
    private TimeSpan retry;
    private TimeSpan dueAt = TimeSpan.MaxValue;
    private TimeSpan expiresAt = TimeSpan.MaxValue;

    public RtrState State { get; private set; }

    /// <summary>The version that was agreed on, or that is tried.</summary>
    public byte Version { get; private set; } = NewestVersion;

    public uint Serial { get; private set; }

    /// <summary>Whether there is data that has not expired: without it every route is NotFound.</summary>
    public bool HasData => session is not null && expiresAt != TimeSpan.MaxValue;

    /// <summary>How long to wait before the next connection at most.</summary>
    public TimeSpan RetryInterval => retry == default ? TimeSpan.FromSeconds(DefaultTimers.Retry) : retry;

    /// <summary>When Tick has something to do.</summary>
    public TimeSpan NextTick => dueAt < expiresAt ? dueAt : expiresAt;

    public RtrStep Connected(TimeSpan now)
    {
        (Version, isAgreed) = (firstVersion, false);
        firstVersion = NewestVersion;
        return Ask(now, whole: !HasData || mustAskAll);
    }

    public void Disconnected()
    {
        // Closed instead of an answer: as below, where it said why.
        mustAskAll |= State == RtrState.Asking && !isWhole;
        (State, dueAt) = (RtrState.Down, TimeSpan.MaxValue);
        staged.Clear();
    }

    public RtrStep Tick(TimeSpan now)
    {
        if (now >= expiresAt)
        {
            // RFC 8210 §6: what is older than the expire interval must not be used.
            // An answer to a query for changes would now be changes to nothing.
            bool isVoid = !isWhole && State is (RtrState.Asking or RtrState.Receiving);
            Forget();
            return new RtrStep(
                OriginValidation.Empty, Close: isVoid ? "the data expired before the answer came" : null);
        }

        if (now < dueAt) return default;
        return State switch
        {
            RtrState.Synced => Ask(now, whole: false),
            RtrState.Waiting => Ask(now, whole: true),
            RtrState.Asking or RtrState.Receiving => new RtrStep(Close: "the cache does not answer"),
            _ => default,
        };
    }

    /// <summary>What came is no PDU.</summary>
    public RtrStep Rejected(RtrReject reject, ReadOnlySpan<byte> bytes) => reject == RtrReject.Type
        ? Fail(RtrError.UnsupportedType, bytes, $"PDU type {(bytes.Length > 1 ? bytes[1] : 0)} is unknown")
        : Fail(RtrError.CorruptData, bytes, $"a PDU cannot be read: {reject}");

    /// <summary>A PDU, and its octets for an error report.</summary>
    public RtrStep Received(in RtrPdu pdu, ReadOnlySpan<byte> bytes, TimeSpan now)
    {
        if (pdu.Type == RtrType.ErrorReport) return Reported(pdu, now);
        // RFC 8210 §7: a notify that comes before a version is agreed on says nothing.
        if (pdu.Type == RtrType.SerialNotify && !isAgreed) return default;
        if (pdu.Version != Version)
        {
            // RFC 8210 §7: an older cache answers in its own version, and we go down to it.
            if (isAgreed || pdu.Version > Version)
                return Fail(RtrError.UnexpectedVersion, bytes, $"version {pdu.Version} after {Version} was agreed on");
            Version = pdu.Version;
        }

        isAgreed = true;
        if (State is RtrState.Asking or RtrState.Receiving) dueAt = now + SilenceMax;
        return (State, pdu.Type) switch
        {
            (RtrState.Asking, RtrType.CacheResponse) => Begin(pdu, bytes),
            (RtrState.Asking, RtrType.CacheReset) when !isWhole => Ask(now, whole: true),
            (RtrState.Receiving, RtrType.IPv4Prefix or RtrType.IPv6Prefix) => Stage(pdu, bytes),
            (RtrState.Receiving, RtrType.RouterKey) => default,
            (RtrState.Receiving, RtrType.EndOfData) => End(pdu, bytes, now),
            (_, RtrType.SerialNotify) => Notified(pdu, bytes, now),
            _ => Fail(RtrError.CorruptData, bytes, $"{pdu.Type} while {State}"),
        };
    }

    private RtrStep Ask(TimeSpan now, bool whole)
    {
        (State, isWhole, dueAt) = (RtrState.Asking, whole, now + SilenceMax);
        (mayBeNewer, mustAskAll) = (false, false);
        staged.Clear();
        return new RtrStep(Send: whole
            ? RtrPdu.ResetQuery(Version)
            : RtrPdu.SerialQuery(Version, session!.Value, Serial));
    }

    private RtrStep Begin(in RtrPdu pdu, ReadOnlySpan<byte> bytes)
    {
        if (!isWhole && pdu.Session != session) return Mismatch(bytes, pdu.Session);
        session = pdu.Session;
        State = RtrState.Receiving;
        return default;
    }

    private RtrStep Stage(in RtrPdu pdu, ReadOnlySpan<byte> bytes)
    {
        if (staged.TryGetValue(pdu.Payload, out bool announces) && announces == pdu.Announces)
            return Twice(pdu.Payload, announces, bytes);
        if (staged.Count >= payloadsMax)
            return Fail(RtrError.InternalError, [], $"more than {payloadsMax} payloads");
        staged[pdu.Payload] = pdu.Announces;
        return default;
    }

    private RtrStep End(in RtrPdu pdu, ReadOnlySpan<byte> bytes, TimeSpan now)
    {
        if (pdu.Session != session) return Mismatch(bytes, pdu.Session);
        List<RoaPayload> next = [];
        foreach (RoaPayload old in isWhole ? [] : table.All())
        {
            if (!staged.Remove(old, out bool announces)) next.Add(old);
            else if (announces) return Twice(old, true, bytes);
        }

        foreach ((RoaPayload payload, bool announces) in staged)
        {
            if (!announces)
                return Fail(RtrError.WithdrawalOfUnknown, bytes, $"{payload.Prefix} of AS {payload.Asn} is not known");
            next.Add(payload);
        }

        if (next.Count > payloadsMax) return Fail(RtrError.InternalError, [], $"more than {payloadsMax} payloads");
        staged.Clear();
        table = OriginValidation.Create(next);
        Serial = pdu.Serial;
        SetTimers(pdu.Timers ?? DefaultTimers, now);
        State = RtrState.Synced;
        return mayBeNewer
            ? Ask(now, whole: false) with { Publish = table }
            : new RtrStep(Publish: table);
    }

    // RFC 8210 §6: the ranges; and what expires must outlive the tries to renew it.
    private void SetTimers((uint Refresh, uint Retry, uint Expire) timers, TimeSpan now)
    {
        refresh = TimeSpan.FromSeconds(Math.Clamp(timers.Refresh, 1, 86_400));
        retry = TimeSpan.FromSeconds(Math.Clamp(timers.Retry, 1, 7_200));
        TimeSpan expire = TimeSpan.FromSeconds(Math.Clamp(timers.Expire, 600, 172_800));
        dueAt = now + refresh;
        expiresAt = now + (expire < expireMax ? expire : expireMax);
    }

    private RtrStep Notified(in RtrPdu pdu, ReadOnlySpan<byte> bytes, TimeSpan now)
    {
        if (session is not null && pdu.Session != session && !(State == RtrState.Asking && isWhole))
            return Mismatch(bytes, pdu.Session);
        if (State == RtrState.Synced) return pdu.Serial == Serial ? default : Ask(now, whole: false);
        if (State == RtrState.Waiting) return Ask(now, whole: true);
        mayBeNewer = true;
        return default;
    }

    private RtrStep Reported(in RtrPdu pdu, TimeSpan now)
    {
        switch (pdu.Error)
        {
            case RtrError.NoDataAvailable when State == RtrState.Asking && pdu.Version <= Version:
                // RFC 8210 §8.4: it is there, and has nothing yet.
                (Version, isAgreed) = (pdu.Version, true);
                (State, dueAt) = (RtrState.Waiting, now + RetryInterval);
                return default;
            case RtrError.UnsupportedVersion when !isAgreed && pdu.Version < Version:
                // RFC 8210 §7: the next connection begins with the version that it names.
                firstVersion = pdu.Version;
                return new RtrStep(Close: $"the cache speaks version {pdu.Version}", Again: true);
            default:
                // A restarted cache need not say Cache Reset: stayrtr calls a query for another session's changes
                // corrupt, and closes. What we hold stays until all of the new data is there, or it expires.
                mustAskAll = State == RtrState.Asking && !isWhole;
                return new RtrStep(Close: $"the cache reports {pdu.Error}: {pdu.Text}", Again: mustAskAll);
        }
    }

    private RtrStep Twice(RoaPayload payload, bool announces, ReadOnlySpan<byte> bytes) => Fail(
        announces ? RtrError.DuplicateAnnouncement : RtrError.WithdrawalOfUnknown, bytes,
        $"{payload.Prefix}-{payload.LengthMax} of AS {payload.Asn} came twice");

    /// <summary>RFC 8210 §5.1: another session's data must not be mixed with ours, and ours is void.</summary>
    private RtrStep Mismatch(ReadOnlySpan<byte> bytes, ushort other)
    {
        RtrStep failed = Fail(RtrError.CorruptData, bytes, $"session {other} instead of {session}");
        Forget();
        return failed with { Publish = OriginValidation.Empty };
    }

    private void Forget()
    {
        (table, session, expiresAt) = (OriginValidation.Empty, null, TimeSpan.MaxValue);
        if (State == RtrState.Synced) (State, dueAt) = (RtrState.Waiting, TimeSpan.Zero);
    }

    private RtrStep Fail(RtrError error, ReadOnlySpan<byte> bytes, string why)
    {
        staged.Clear();
        return new RtrStep(Send: RtrPdu.ErrorReport(Version, error, bytes, why), Close: why);
    }
}
