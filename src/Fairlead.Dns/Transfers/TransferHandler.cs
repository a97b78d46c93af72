using System.Buffers.Binary;
using System.Collections.Immutable;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// AXFR (RFC 5936), IXFR (RFC 1995), NOTIFY (RFC 1996) and signed queries (RFC 8945). Nobody gets a zone whom no rule
/// allows it. Called on the server's threads; what it reads is immutable.
/// </summary>
public sealed class TransferHandler : IMessageHandler, IAsyncDisposable
{
    private readonly Snapshot<TransferSettings> settings;
    private readonly TransferVersions versions;
    private readonly TimeProvider time;
    private readonly SecondaryZones? secondaries;
    private readonly Notifier notifier;
    private int running;

    /// <summary>
    /// ArgumentException when the options have problems. `serials`: kept from the last run. `told`: hears what became
    /// of each NOTIFY in the end, on a thread of the pool.
    /// </summary>
    public TransferHandler(
        TransferOptions options, SerialKeeper? serials = null, SecondaryZones? secondaries = null,
        TimeProvider? time = null, Action<NotifyOutcome>? told = null)
    {
        settings = new Snapshot<TransferSettings>(new TransferSettings(options));
        this.secondaries = secondaries;
        this.time = time ?? TimeProvider.System;
        versions = new TransferVersions(settings, serials ?? new SerialKeeper());
        notifier = new Notifier(settings, this.time, told);
    }

    public TransferCounters Counters { get; } = new();

    /// <summary>What became of the last NOTIFY of each zone to each target.</summary>
    public IReadOnlyList<NotifyOutcome> NotifyOutcomes => notifier.Outcomes;

    /// <summary>Whether nothing but their SOA may tell two versions of a zone apart.</summary>
    public static bool HaveSameRecords(Zone one, Zone other) => new TransferredZone(one, one.Soa, []).Fingerprint()
        .AsSpan().SequenceEqual(new TransferredZone(other, other.Soa, []).Fingerprint());

    /// <summary>
    /// Other options from now on; what secondaries can go on from is kept. ArgumentException, and nothing changed,
    /// when they have problems.
    /// </summary>
    public void Apply(TransferOptions next)
    {
        settings.Publish(new TransferSettings(next));
        notifier.Forget();
    }

    /// <summary>
    /// Before a table is published: gives it the serials that the transfers have. signerOf tells who signs a zone here.
    /// One thread calls Prepare and Take.
    /// </summary>
    public DnsTable Prepare(DnsTable table, Func<DnsName, SetSigner?>? signerOf = null) =>
        versions.Prepare(table, signerOf);

    /// <summary>After a table from Prepare is published: transfers give it out, and the targets are told.</summary>
    public void Take(DnsTable table)
    {
        foreach (NewVersion zone in versions.Take(table)) notifier.Tell(zone);
    }

    public int Answer(ReadOnlySpan<byte> message, in Asker asker, Span<byte> response)
    {
        if (message.Length < QueryMessage.HeaderBytes) return 0;
        var opcode = (Opcode)((message[2] >> 3) & 0xf);
        if (opcode is not (Opcode.Query or Opcode.Notify)) return 0;
        TsigVerdict verdict = TsigSession.Open(
            settings.Current.Keys, message, time.GetUtcNow(), out TsigSession? session);
        using (session)
        {
            if (RefusalOf(verdict) is { } refusal)
            {
                Counters.Count(refusal, asker, null, time.GetUtcNow());
                return Refuse(message, RcodeOf(refusal), session, response);
            }

            if (opcode == Opcode.Notify)
            {
                Rcode taken = secondaries?.Notified(message, asker, session?.SignedWith) ?? Rcode.NotAuth;
                Counters.CountNotify(taken == Rcode.NoError);
                return Refuse(message, taken, session, response);
            }

            if (QueryMessage.Read(message, out QueryMessage asked) != QueryFault.None)
                return Refuse(message, Rcode.FormErr, session, response);
            if (asked.Type == RecordType.Ixfr && !asker.IsStream)
                return AnswerDatagram(message, asked, asker, session, response);
            if (session is null) return 0;
            int limit = asker.IsStream ? ushort.MaxValue : Math.Min((int)asked.UdpBytesMax, Edns.OurUdpBytesMax);
            int room = Math.Max(Math.Min(limit, response.Length) - session.RecordBytesMax, 512);
            int length = Answerer.Answer(versions.Current.Table, message, asker, null, response[..room]);
            return length == 0 ? 0 : session.Sign(response, length, time.GetUtcNow());
        }
    }

    public IAnswerStream? Open(ReadOnlySpan<byte> query, in Asker asker)
    {
        TransferSettings now = settings.Current;
        TsigVerdict verdict = TsigSession.Open(now.Keys, query, time.GetUtcNow(), out TsigSession? session);
        TransferRefusal? refusal = RefusalOf(verdict);
        DnsName? zone = null;
        if (refusal is null && QueryMessage.Read(query, out QueryMessage asked) == QueryFault.None)
        {
            refusal = Judge(now.Options, asked, asker, session, out zone, out ZoneJournal? journal);
            if (refusal is null && Parts(query, asked, journal!) is { } parts)
            {
                Interlocked.Increment(ref running);
                Counters.Count(asked.Type);
                return new TransferStream(
                    asked.Id, Question(asked), parts, now.Options.MessageBytes, session, time,
                    () => Interlocked.Decrement(ref running));
            }
        }

        refusal ??= TransferRefusal.Malformed;
        Counters.Count(refusal.Value, asker, zone, time.GetUtcNow());
        byte[] message = new byte[2048];
        int length = Refuse(query, RcodeOf(refusal.Value), session, message);
        session?.Dispose();
        return new RefusalStream(message[..length]);
    }

    /// <summary>Stops telling others.</summary>
    public ValueTask DisposeAsync() => notifier.DisposeAsync();

    private TransferRefusal? Judge(
        TransferOptions options, in QueryMessage asked, in Asker asker, TsigSession? session, out DnsName? zone,
        out ZoneJournal? journal)
    {
        (zone, journal) = (null, null);
        if (asked.Class != RecordClass.Internet || !DnsName.TryFromWire(asked.Name, out DnsName origin))
            return TransferRefusal.NotAllowed;
        zone = origin;
        UInt128 client = asker.ClientMapped;
        // Who may not have it does not learn whether it is here.
        if (!options.Allow.Any(rule => rule.Allows(origin, client, session?.SignedWith)))
            return TransferRefusal.NotAllowed;
        if (!versions.Current.Zones.TryGetValue(origin, out journal)) return TransferRefusal.UnknownZone;
        if (journal.Current.Zone.IsExpired) return TransferRefusal.Expired;
        return Volatile.Read(ref running) >= options.TransfersMax ? TransferRefusal.Busy : null;
    }

    private static TransferRefusal? RefusalOf(TsigVerdict verdict) => verdict switch
    {
        TsigVerdict.Unsigned or TsigVerdict.Valid => null,
        TsigVerdict.Malformed => TransferRefusal.Malformed,
        TsigVerdict.BadKey => TransferRefusal.BadKey,
        TsigVerdict.BadTime => TransferRefusal.BadTime,
        _ => TransferRefusal.BadSignature,
    };

    private static Rcode RcodeOf(TransferRefusal refusal) => refusal switch
    {
        TransferRefusal.Malformed => Rcode.FormErr,
        TransferRefusal.NotAllowed => Rcode.Refused,
        TransferRefusal.Expired or TransferRefusal.Busy => Rcode.ServFail,
        _ => Rcode.NotAuth,
    };

    // RFC 1995 §2: over UDP, when it does not fit, the SOA alone: come again over TCP.
    private int AnswerDatagram(
        ReadOnlySpan<byte> query, in QueryMessage asked, in Asker asker, TsigSession? session, Span<byte> response)
    {
        if (Judge(settings.Current.Options, asked, asker, session, out DnsName? origin, out ZoneJournal? journal)
            is { } refusal)
        {
            Counters.Count(refusal, asker, origin, time.GetUtcNow());
            return Refuse(query, RcodeOf(refusal), session, response);
        }

        if (Steps(query, journal!) is not { } steps) return Refuse(query, Rcode.FormErr, session, response);
        int room = Math.Min((int)asked.UdpBytesMax, Edns.OurUdpBytesMax);
        TransferredZone zone = journal!.Current;
        // A step that cannot fit is not even tried; its session signs one answer only.
        bool fits = !steps.IsDefault && steps.Sum(step => step.Bytes) < 4L * room;
        if (fits)
        {
            using var trial = new TransferStream(
                asked.Id, Question(asked), Incremental(zone, steps), room - (session?.RecordBytesMax ?? 0), null, time,
                () => { });
            int length = trial.Next(response[..Math.Min(room, response.Length)]);
            if (trial.IsAtEnd) return session?.Sign(response, length, time.GetUtcNow()) ?? length;
        }

        using var stream = new TransferStream(
            asked.Id, Question(asked), [Only(zone.Soa)], room, session, time, () => { });
        return stream.Next(response);
    }

    // Null: the query is malformed.
    private IEnumerable<ITransferRecords>? Parts(
        ReadOnlySpan<byte> query, in QueryMessage asked, ZoneJournal journal)
    {
        if (asked.Type == RecordType.Axfr) return Whole(journal.Current);
        if (Steps(query, journal) is not { } steps) return null;
        return steps.IsDefault ? Whole(journal.Current) : Incremental(journal.Current, steps);
    }

    // Null: the query is malformed; default: the serial is not known any more; empty: it is the newest.
    private static ImmutableArray<ZoneDifference>? Steps(ReadOnlySpan<byte> query, ZoneJournal journal)
    {
        if (!TrySerial(query, out uint serial)) return null;
        if (!SerialOrder.IsNewer(journal.Current.Serial, serial)) return [];
        return journal.Since(serial) ?? default;
    }

    private static IEnumerable<ITransferRecords> Whole(TransferredZone zone) =>
    [
        new SetRecords([zone.Soa]), new ZoneRecords(zone.Zone.Data), new SetRecords(zone.Steered), Only(zone.Soa),
    ];

    private static List<ITransferRecords> Incremental(TransferredZone zone, ImmutableArray<ZoneDifference> steps)
    {
        List<ITransferRecords> parts = [Only(zone.Soa)];
        foreach (ZoneDifference step in steps)
        {
            parts.AddRange([new SetRecords([step.OldSoa]), new KeptRecords(step.Removed)]);
            parts.AddRange([new SetRecords([step.NewSoa]), new KeptRecords(step.Added)]);
        }

        if (!steps.IsEmpty) parts.Add(Only(zone.Soa));
        return parts;
    }

    private static SetRecords Only(RRset soa) => new([soa], signatures: false);

    // RFC 1995 §3: the client's SOA stands in the authority section.
    private static bool TrySerial(ReadOnlySpan<byte> query, out uint serial)
    {
        serial = 0;
        var reader = new MessageReader(query);
        Span<byte> name = stackalloc byte[DnsName.WireBytesMax];
        if (reader.Questions != 1 || reader.Answers != 0 || reader.Authorities != 1) return false;
        reader.Question(name, out _, out _);
        Span<byte> rdata = stackalloc byte[(2 * DnsName.WireBytesMax) + 20];
        if (!reader.TryRecord(name, out RecordHead head) || head.Type != RecordType.Soa
            || !reader.TryRdata(head, rdata, out int length)) return false;
        serial = BinaryPrimitives.ReadUInt32BigEndian(rdata[(length - 20)..]);
        return true;
    }

    private static byte[] Question(in QueryMessage asked) =>
        [.. asked.Name, (byte)((ushort)asked.Type >> 8), (byte)asked.Type, 0, (byte)RecordClass.Internet];

    // Header and question; NOTIFY is answered in the same form (RFC 1996 §4.7).
    private int Refuse(ReadOnlySpan<byte> query, Rcode rcode, TsigSession? session, Span<byte> response)
    {
        response[..QueryMessage.HeaderBytes].Clear();
        query[..2].CopyTo(response);
        bool isNotify = ((query[2] >> 3) & 0xf) == (int)Opcode.Notify;
        response[2] = (byte)(0x80 | (query[2] & 0x79) | (isNotify && rcode == Rcode.NoError ? 0x04 : 0));
        response[3] = (byte)rcode;
        int length = QueryMessage.HeaderBytes;
        int name = NameHash.LengthOf(query[length..], out _);
        if (query[4] == 0 && query[5] == 1 && name > 0 && query.Length >= length + name + 4)
        {
            response[5] = 1;
            query.Slice(length, name + 4).CopyTo(response[length..]);
            length += name + 4;
        }

        return session?.Sign(response, length, time.GetUtcNow()) ?? length;
    }
}
