using System.Buffers.Binary;
using System.Security.Cryptography;
using Fairlead.Dns.Wire;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>What the TSIG of a message came to (RFC 8945 §5.2). All but the first two are refusals.</summary>
public enum TsigVerdict
{
    /// <summary>There is none.</summary>
    Unsigned,
    Valid,

    /// <summary>FORMERR.</summary>
    Malformed,
    BadKey,
    BadSignature,
    BadTime,
    BadTruncation,
}

/// <summary>
/// One exchange signed with one key: a request and its response, which for a transfer is many messages. Each side has
/// its own. The MAC of each message covers the MAC before it (RFC 8945 §5.3.1), so none can be left out, added or
/// taken from another exchange. One thread at a time.
/// </summary>
internal sealed class TsigSession : IDisposable
{
    /// <summary>RFC 8945 §5.3.1: at least every hundredth message is signed.</summary>
    private const int UnsignedMax = 99;

    private readonly TsigKey? key;
    private readonly IncrementalHash? hash;
    private readonly DnsName keyName;
    private readonly DnsName algorithm;
    private readonly ulong requestTime;
    private byte[] priorMac;
    private bool isFirst = true;
    private int unsigned;

    private TsigSession(TsigKey key, byte[] requestMac)
    {
        (this.key, hash, keyName, algorithm) = (key, key.NewMac(), key.Name, key.AlgorithmName);
        priorMac = requestMac;
    }

    // The answer to a request whose key or MAC is wrong: it says so, and cannot be signed (RFC 8945 §5.3.2).
    private TsigSession(in TsigRecord request, TsigVerdict verdict)
    {
        (keyName, algorithm, requestTime, priorMac) = (request.KeyName, request.Algorithm, request.TimeSigned, []);
        Verdict = verdict;
    }

    private TsigSession(TsigKey key, in TsigRecord request, TsigVerdict verdict)
        : this(key, request.Mac.ToArray())
    {
        requestTime = request.TimeSigned;
        Verdict = verdict;
    }

    public TsigVerdict Verdict { get; private init; } = TsigVerdict.Valid;

    /// <summary>The name of the key when the message is signed with it; null when it is not.</summary>
    public DnsName? SignedWith => Verdict == TsigVerdict.Valid ? keyName : null;

    /// <summary>Room to keep back in each message.</summary>
    public int RecordBytesMax => keyName.Wire.Length + 10 + algorithm.Wire.Length + 16 + (key?.MacBytes ?? 0) + 6;

    /// <summary>Verified messages: the last one was signed, so the whole exchange up to it is.</summary>
    public bool IsComplete => !isFirst && unsigned == 0;

    /// <summary>
    /// Judges a request. A session comes with every verdict but Unsigned and Malformed, and signs the response.
    /// </summary>
    public static TsigVerdict Open(
        TsigKeys keys, ReadOnlySpan<byte> message, DateTimeOffset now, out TsigSession? session)
    {
        session = null;
        if (!TsigRecord.TryFind(message, out bool found, out TsigRecord tsig)) return TsigVerdict.Malformed;
        if (!found) return TsigVerdict.Unsigned;
        TsigKey? key = keys.Find(tsig.KeyName);
        // RFC 8945 §5.2.1: a key is known by its name and its algorithm.
        if (key is null || key.AlgorithmName != tsig.Algorithm)
        {
            session = new TsigSession(tsig, TsigVerdict.BadKey);
            return TsigVerdict.BadKey;
        }

        // RFC 8945 §5.2.2.1: longer than the hash, or shorter than half of it or ten bytes, is malformed.
        if (tsig.Mac.Length > key.MacBytes || tsig.Mac.Length < Math.Max(10, key.MacBytes / 2))
            return TsigVerdict.Malformed;
        Span<byte> mac = stackalloc byte[64];
        using (IncrementalHash hash = key.NewMac())
        {
            AppendMessage(hash, message[..tsig.At], tsig.OriginalId, records: 1);
            AppendVariables(hash, tsig.KeyName, tsig.Algorithm, tsig.TimeSigned, tsig.Fudge, tsig.Error, tsig.Other);
            mac = mac[..hash.GetHashAndReset(mac)];
        }

        TsigVerdict verdict = Judge(key, mac, tsig, now);
        session = verdict == TsigVerdict.BadSignature
            ? new TsigSession(tsig, verdict)
            : new TsigSession(key, tsig, verdict);
        return verdict;
    }

    /// <summary>
    /// Signs a request of ours, in a buffer with room for RecordBytesMax of the key, and gives its new length.
    /// </summary>
    public static TsigSession Request(TsigKey key, Span<byte> message, ref int length, DateTimeOffset now)
    {
        var session = new TsigSession(key, []);
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(message);
        ulong time = (ulong)now.ToUnixTimeSeconds();
        AppendMessage(session.hash!, message[..length], id);
        AppendVariables(session.hash!, key.Name, key.AlgorithmName, time, TsigRecord.FudgeSeconds, 0, default);
        session.priorMac = session.hash!.GetHashAndReset();
        length = TsigRecord.Append(
            message, length, key.Name, key.AlgorithmName, time, TsigRecord.FudgeSeconds, session.priorMac, id,
            TsigError.None, default);
        if (length == 0) throw new ArgumentException("no room for the TSIG record", nameof(message));
        return session;
    }

    /// <summary>
    /// Ends the next message of our response, with the room that was kept back for it. Gives its new length.
    /// </summary>
    public int Sign(Span<byte> message, int length, DateTimeOffset now)
    {
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(message);
        ulong time = (ulong)now.ToUnixTimeSeconds();
        TsigError error = ErrorOf(Verdict);
        if (hash is null)
        {
            return TsigRecord.Append(
                message, length, keyName, algorithm, requestTime, TsigRecord.FudgeSeconds, default, id, error, default);
        }

        // RFC 8945 §5.2.3: a clock that is wrong is told by ours, in an answer that is signed at its own time.
        Span<byte> other = Verdict == TsigVerdict.BadTime ? stackalloc byte[6] : default;
        if (!other.IsEmpty)
        {
            BinaryPrimitives.WriteUInt16BigEndian(other, (ushort)(time >> 32));
            BinaryPrimitives.WriteUInt32BigEndian(other[2..], (uint)time);
            time = requestTime;
        }

        AppendPrior();
        AppendMessage(hash, message[..length], id);
        AppendTimes(time, TsigRecord.FudgeSeconds, (ushort)error, other);
        priorMac = hash.GetHashAndReset();
        isFirst = false;
        return TsigRecord.Append(
            message, length, keyName, algorithm, time, TsigRecord.FudgeSeconds, priorMac, id, error, other);
    }

    /// <summary>
    /// Judges the next message of the response to our request. Unsigned ones are Valid between signed ones (RFC 8945
    /// §5.3.1): nothing of them may be used before IsComplete.
    /// </summary>
    public TsigVerdict Verify(ReadOnlySpan<byte> message, DateTimeOffset now)
    {
        if (!TsigRecord.TryFind(message, out bool found, out TsigRecord tsig)) return TsigVerdict.Malformed;
        if (!found)
        {
            if (isFirst || ++unsigned > UnsignedMax) return TsigVerdict.Unsigned;
            if (unsigned == 1) AppendPrior();
            hash!.AppendData(message);
            return TsigVerdict.Valid;
        }

        if (tsig.KeyName != key!.Name || tsig.Algorithm != key.AlgorithmName) return TsigVerdict.BadKey;
        if (tsig.Mac.Length != key.MacBytes)
            return tsig.Mac.IsEmpty ? VerdictOf(tsig.Error) : TsigVerdict.BadTruncation;
        if (unsigned == 0) AppendPrior();
        AppendMessage(hash!, message[..tsig.At], tsig.OriginalId, records: 1);
        AppendTimes(tsig.TimeSigned, tsig.Fudge, tsig.Error, tsig.Other);
        Span<byte> mac = stackalloc byte[64];
        mac = mac[..hash!.GetHashAndReset(mac)];
        TsigVerdict verdict = Judge(key, mac, tsig, now);
        if (verdict == TsigVerdict.Valid && tsig.Error != 0) verdict = VerdictOf(tsig.Error);
        priorMac = tsig.Mac.ToArray();
        (isFirst, unsigned) = (false, 0);
        return verdict;
    }

    public void Dispose() => hash?.Dispose();

    // RFC 8945 §5.2.2 to §5.2.4, in this order: nothing is said about the time to who does not have the key.
    private static TsigVerdict Judge(TsigKey key, ReadOnlySpan<byte> mac, in TsigRecord tsig, DateTimeOffset now)
    {
        if (!CryptographicOperations.FixedTimeEquals(mac[..tsig.Mac.Length], tsig.Mac)) return TsigVerdict.BadSignature;
        long apart = Math.Abs(now.ToUnixTimeSeconds() - (long)tsig.TimeSigned);
        if (apart > tsig.Fudge) return TsigVerdict.BadTime;
        // A shorter MAC saves nothing that we need to save.
        return tsig.Mac.Length < key.MacBytes ? TsigVerdict.BadTruncation : TsigVerdict.Valid;
    }

    private static TsigError ErrorOf(TsigVerdict verdict) => verdict switch
    {
        TsigVerdict.BadKey => TsigError.BadKey,
        TsigVerdict.BadSignature => TsigError.BadSignature,
        TsigVerdict.BadTime => TsigError.BadTime,
        TsigVerdict.BadTruncation => TsigError.BadTruncation,
        _ => TsigError.None,
    };

    private static TsigVerdict VerdictOf(ushort error) => (TsigError)error switch
    {
        TsigError.BadKey => TsigVerdict.BadKey,
        TsigError.BadTime => TsigVerdict.BadTime,
        TsigError.BadTruncation => TsigVerdict.BadTruncation,
        _ => TsigVerdict.BadSignature,
    };

    private void AppendPrior()
    {
        if (priorMac.Length == 0) return;
        hash!.AppendData([(byte)(priorMac.Length >> 8), (byte)priorMac.Length]);
        hash.AppendData(priorMac);
    }

    // The first message of a response has all variables, the others the times alone (RFC 8945 §5.3.1).
    private void AppendTimes(ulong time, ushort fudge, ushort error, ReadOnlySpan<byte> other)
    {
        if (isFirst)
        {
            AppendVariables(hash!, keyName, algorithm, time, fudge, error, other);
            return;
        }

        var writer = new WireWriter(stackalloc byte[8]);
        writer.U16((ushort)(time >> 32));
        writer.U32((uint)time);
        writer.U16(fudge);
        hash!.AppendData(writer.Written);
    }

    // RFC 8945 §4.3.2: as it was before the TSIG came; the ID may have been changed by a forwarder.
    private static void AppendMessage(IncrementalHash hash, ReadOnlySpan<byte> message, ushort id, int records = 0)
    {
        Span<byte> header = stackalloc byte[QueryMessage.HeaderBytes];
        message[..QueryMessage.HeaderBytes].CopyTo(header);
        BinaryPrimitives.WriteUInt16BigEndian(header, id);
        ushort additionals = BinaryPrimitives.ReadUInt16BigEndian(header[10..]);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], (ushort)(additionals - records));
        hash.AppendData(header);
        hash.AppendData(message[QueryMessage.HeaderBytes..]);
    }

    // RFC 8945 §4.3.3.
    private static void AppendVariables(
        IncrementalHash hash, DnsName keyName, DnsName algorithm, ulong time, ushort fudge, ushort error,
        ReadOnlySpan<byte> other)
    {
        var writer = new WireWriter(stackalloc byte[(2 * DnsName.WireBytesMax) + 18]);
        writer.Bytes(keyName.Folded);
        writer.U16((ushort)RecordClass.Any);
        writer.U32(0);
        writer.Bytes(algorithm.Folded);
        writer.U16((ushort)(time >> 32));
        writer.U32((uint)time);
        writer.U16(fudge);
        writer.U16(error);
        writer.U16((ushort)other.Length);
        hash.AppendData(writer.Written);
        hash.AppendData(other);
    }
}
