using System.Buffers.Binary;
using System.Text;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// Makes a zone of the records of a transfer as they come (RFC 5936 §2.2, RFC 1995 §4), and checks it as a
/// master file is checked. IOException when the records are no transfer.
/// </summary>
internal sealed class ReceivedZone(DnsName origin, Zone? previous, long bytesMax)
{
    private enum State
    {
        Start,
        Second,
        Whole,
        Removing,
        Adding,
        Done,
    }

    private readonly Dictionary<string, ZoneRecord> removed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ZoneRecord> added = new(StringComparer.Ordinal);
    private readonly HashSet<DnsName> touched = new(NameComparer.Instance);
    private ZoneBuilder builder = new(origin);
    private State state;
    private ZoneRecord? newest;
    private long bytes;
    private int count;

    /// <summary>What came was a difference to `previous`.</summary>
    public bool IsIncremental { get; private set; }

    /// <summary>There is nothing newer than `previous`.</summary>
    public bool IsUpToDate { get; private set; }

    /// <summary>Takes the next record. True: it was the last one.</summary>
    public bool Take(DnsName owner, RecordType type, uint ttlSeconds, byte[] rdata)
    {
        var record = new ZoneRecord(owner, type, ttlSeconds, rdata);
        bool isSoa = type == RecordType.Soa && owner == origin;
        bytes += owner.Wire.Length + rdata.Length + SetView.HeadBytes;
        if (bytes > bytesMax) throw new IOException($"the zone is over the limit of {bytesMax} bytes");
        switch (state)
        {
            case State.Start:
                if (!isSoa) throw new IOException("the transfer does not begin with the SOA");
                newest = record;
                state = State.Second;
                // RFC 1995 §2: a SOA alone says that there is nothing newer.
                IsUpToDate = previous is not null && !SerialOrder.IsNewer(record.Serial, previous.Serial);
                return IsUpToDate && record.Serial == previous!.Serial && Finish();
            case State.Second when isSoa && previous is not null && record.Serial == previous.Serial:
                IsIncremental = true;
                return Change(record, State.Removing);
            case State.Second:
                Add(newest!);
                state = State.Whole;
                goto case State.Whole;
            case State.Whole:
                if (isSoa) return record.Serial == newest!.Serial && Finish();
                Add(record);
                return false;
            case State.Removing:
                return Change(record, isSoa ? State.Adding : state);
            case State.Adding when isSoa && record.Serial == newest!.Serial && IsIn(added, newest):
                return Finish();
            case State.Adding:
                return Change(record, isSoa ? State.Removing : state);
            default:
                throw new IOException("records follow the end of the transfer");
        }
    }

    /// <summary>The zone, or why it cannot be served.</summary>
    public Zone? Build(out List<string> problems)
    {
        if (state != State.Done) throw new IOException("the transfer has no end");
        if (IsIncremental) ApplyChanges();
        var found = new List<string>();
        var checks = new ZoneChecks(builder, (_, problem) => found.Add(problem));
        checks.CheckOutside();
        ZoneData data = builder.Build();
        checks.Check(data);
        problems = found;
        return found.Count == 0 ? new Zone(origin, data) : null;
    }

    private static bool IsIn(Dictionary<string, ZoneRecord> records, ZoneRecord record) =>
        records.ContainsKey(record.Key);

    private bool Finish()
    {
        state = State.Done;
        return true;
    }

    private void Add(ZoneRecord record) => Add(record.Owner.Wire, record.Type, record.TtlSeconds, record.Rdata);

    private void Add(ReadOnlySpan<byte> owner, RecordType type, uint ttlSeconds, ReadOnlySpan<byte> rdata)
    {
        if (RecordTypes.IsQueryOnly(type) || type is 0 or RecordType.Opt)
            throw new IOException($"{RecordTypes.NameOf(type)} is no data");
        if (!builder.Add(owner, type, ttlSeconds, rdata, false, new RecordPlace(0, 1, ++count)))
            throw new IOException("the zone is over 2 GiB");
    }

    // Steps are joined as they come: what one adds and a later one removes was never there.
    private bool Change(ZoneRecord record, State next)
    {
        state = next;
        touched.Add(record.Owner);
        (Dictionary<string, ZoneRecord> to, Dictionary<string, ZoneRecord> from) =
            next == State.Removing ? (removed, added) : (added, removed);
        bool undone = from.TryGetValue(record.Key, out ZoneRecord? there)
            && (next == State.Removing || there.TtlSeconds == record.TtlSeconds);
        if (undone) from.Remove(record.Key);
        else to[record.Key] = record;
        return false;
    }

    private void ApplyChanges()
    {
        builder = new ZoneBuilder(origin);
        var zone = new ZoneRecords(previous!.Data);
        var soa = new SetRecords([previous.Soa]);
        foreach (ITransferRecords records in (ITransferRecords[])[soa, zone])
        {
            while (records.MoveNext()) Keep(records.Owner, records.Body);
        }

        // RFC 1995 §4: a difference to another version than ours would leave us with a zone that never was.
        if (removed.Count > 0) throw new IOException("the difference removes a record that we do not have");
        foreach (ZoneRecord record in added.Values) Add(record);
    }

    private void Keep(ReadOnlySpan<byte> owner, ReadOnlySpan<byte> body)
    {
        var type = (RecordType)((body[0] << 8) | body[1]);
        uint ttl = BinaryPrimitives.ReadUInt32BigEndian(body[4..]);
        ReadOnlySpan<byte> rdata = body[SetView.HeadBytes..];
        if (IsTouched(owner) && removed.Remove(ZoneRecord.KeyOf(owner, type, rdata))) return;
        Add(owner, type, ttl, rdata);
    }

    private bool IsTouched(ReadOnlySpan<byte> owner)
    {
        var name = new NameView(
            stackalloc byte[DnsName.WireBytesMax + 1], stackalloc byte[NameView.LabelsMax],
            stackalloc uint[NameView.LabelsMax]);
        name.Set(owner);
        return touched.GetAlternateLookup<NameKey>().Contains(name.Suffix(0));
    }

    private sealed record ZoneRecord(DnsName Owner, RecordType Type, uint TtlSeconds, byte[] Rdata)
    {
        public string Key { get; } = KeyOf(Owner.Wire, Type, Rdata);

        public uint Serial => BinaryPrimitives.ReadUInt32BigEndian(Rdata.AsSpan(^20..));

        public static string KeyOf(ReadOnlySpan<byte> owner, RecordType type, ReadOnlySpan<byte> rdata)
        {
            Span<byte> folded = stackalloc byte[DnsName.WireBytesMax];
            NameHash.Fold(owner, folded);
            return $"{Encoding.Latin1.GetString(folded[..owner.Length])}{(char)type}{Encoding.Latin1.GetString(rdata)}";
        }
    }
}
