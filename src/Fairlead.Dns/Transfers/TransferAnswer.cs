using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// The messages of another server's answer as they come, each judged before anything of it is used. IOException when
/// they are no answer to our request.
/// </summary>
internal sealed class TransferAnswer(
    ReadOnlyMemory<byte> request, TsigSession? session, Opcode opcode, Func<byte[], bool> take)
{
    private bool done;
    private int messages;

    /// <summary>All is there, and all of it is signed when the request was.</summary>
    public bool IsComplete => done && (session?.IsComplete ?? true);

    public void Take(byte[] message, DateTimeOffset now)
    {
        if (done) throw new IOException("the end of the transfer is not signed");
        TsigVerdict verdict = session?.Verify(message, now) ?? TsigVerdict.Valid;
        if (message.Length >= 4 && (message[3] & 0xf) is > 0 and var rcode)
        {
            string says = verdict == TsigVerdict.Valid ? "" : $" ({verdict})";
            throw new IOException($"it answered {(Rcode)rcode}{says}");
        }

        if (verdict != TsigVerdict.Valid) throw new IOException($"its signature is refused: {verdict}");
        if (!Matches(message, messages++ == 0 ? request.Span : request.Span[..2], opcode))
            throw new IOException("it answered another question");
        done = take(message);
    }

    /// <summary>Feeds the records of a message to `take` until that says that it has all.</summary>
    public static bool TakeAll(byte[] message, Func<DnsName, RecordType, uint, byte[], bool> take)
    {
        bool done = false;
        foreach ((DnsName owner, RecordType type, uint ttl, byte[] rdata) in RecordsOf(message))
        {
            if (done) throw new IOException("records follow the end of the transfer");
            done = take(owner, type, ttl, rdata);
        }

        return done;
    }

    // The same ID, and the same question where there is one; later messages of a transfer need none.
    public static bool Matches(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> request, Opcode opcode)
    {
        var reader = new MessageReader(answer);
        if (reader.Failed || !reader.IsResponse || reader.Opcode != opcode || !answer[..2].SequenceEqual(request[..2]))
            return false;
        if (request.Length == 2 || reader.Questions == 0) return reader.Questions <= 1;
        Span<byte> asked = stackalloc byte[DnsName.WireBytesMax], theirs = stackalloc byte[DnsName.WireBytesMax];
        int mine = new MessageReader(request).Question(asked, out RecordType type, out _);
        int length = reader.Question(theirs, out RecordType otherType, out _);
        return type == otherType && DnsName.TryFromWire(asked[..mine], out DnsName one)
            && DnsName.TryFromWire(theirs[..length], out DnsName other) && one == other;
    }

    public static List<(DnsName Owner, RecordType Type, uint TtlSeconds, byte[] Rdata)> RecordsOf(byte[] message)
    {
        var records = new List<(DnsName, RecordType, uint, byte[])>();
        var reader = new MessageReader(message);
        Span<byte> owner = stackalloc byte[DnsName.WireBytesMax];
        byte[] rdata = new byte[ushort.MaxValue];
        DnsName name = DnsName.Root;
        for (int i = reader.Questions; i > 0; i--) reader.Question(owner, out _, out _);
        for (int i = reader.Answers; i > 0; i--)
        {
            if (!reader.TryRecord(owner, out RecordHead head) || !reader.TryRdata(head, rdata, out int length))
                throw new IOException("a record of its answer is malformed");
            if (head.Class != (ushort)RecordClass.Internet) throw new IOException("a record of another class");
            // Records of one name follow each other: one object serves them all.
            if (!name.Wire.SequenceEqual(owner[..head.OwnerBytes]))
                DnsName.TryFromWire(owner[..head.OwnerBytes], out name);
            records.Add((name, head.Type, head.TtlSeconds & 0x7fff_ffff, rdata[..length]));
        }

        return records;
    }
}
