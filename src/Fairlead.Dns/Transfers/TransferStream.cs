using System.Buffers.Binary;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// The messages of one transfer (RFC 5936 §2.2, RFC 1995 §4). It reads a version of the zone that no later one
/// touches, and holds a place in it.
/// </summary>
internal sealed class TransferStream : IAnswerStream
{
    private readonly byte[] question;
    private readonly ushort id;
    private readonly int messageBytesMax;
    private readonly TsigSession? session;
    private readonly TimeProvider time;
    private readonly Queue<ITransferRecords> parts;
    private readonly Action ended;
    private ITransferRecords? part;
    private bool hasRecord;
    private bool isFirst = true;
    private bool disposed;

    /// <summary>The question is that of the query: name, type, class. `ended` is called once.</summary>
    public TransferStream(
        ushort id, ReadOnlySpan<byte> question, IEnumerable<ITransferRecords> parts, int messageBytesMax,
        TsigSession? session, TimeProvider time, Action ended)
    {
        (this.id, this.question, this.messageBytesMax) = (id, question.ToArray(), messageBytesMax);
        (this.session, this.time, this.ended) = (session, time, ended);
        this.parts = new Queue<ITransferRecords>(parts);
        Advance();
    }

    /// <summary>Whether all records are out.</summary>
    public bool IsAtEnd => !hasRecord;

    public int Next(Span<byte> message)
    {
        if (!hasRecord) return 0;
        int length = Fill(message[..Math.Min(messageBytesMax, message.Length)]);
        // One record may be larger than we like messages to be.
        if (length == 0) length = Fill(message);
        if (length == 0) throw new InvalidOperationException("a record does not fit into a message");
        isFirst = false;
        return session?.Sign(message, length, time.GetUtcNow()) ?? length;
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        session?.Dispose();
        ended();
    }

    private int Fill(Span<byte> message)
    {
        var writer = new MessageWriter(
            message, session?.RecordBytesMax ?? 0, stackalloc ushort[MessageWriter.KnownNamesMax],
            stackalloc uint[MessageWriter.KnownNamesMax]);
        // RFC 5936 §2.2.1: the question in the first message; the others need none.
        if (isFirst)
        {
            var name = new NameView(
                stackalloc byte[DnsName.WireBytesMax + 1], stackalloc byte[NameView.LabelsMax],
                stackalloc uint[NameView.LabelsMax]);
            name.Set(question.AsSpan(..^4));
            writer.Question(
                question.AsSpan(..^4), (RecordType)((question[^4] << 8) | question[^3]), RecordClass.Internet, name);
        }

        int count = 0, ownerAt = 0;
        ReadOnlySpan<byte> owner = default;
        while (hasRecord && count < ushort.MaxValue)
        {
            (int Position, int Known) mark = writer.Mark();
            ReadOnlySpan<byte> next = part!.Owner, body = part.Body;
            var type = (RecordType)((body[0] << 8) | body[1]);
            (int before, int names, bool compressible) = RecordTypes.NamesIn(type);
            uint ttl = BinaryPrimitives.ReadUInt32BigEndian(body[4..]);
            if (!next.SequenceEqual(owner)) ownerAt = 0;
            owner = next;
            ownerAt = writer.Record(ownerAt, next, body, ttl, before, compressible ? names : 0);
            if (writer.Failed)
            {
                writer.RewindTo(mark);
                break;
            }

            count++;
            Advance();
        }

        if (count == 0) return 0;
        writer.Header(id, 0x8400);
        writer.Count(Section.Answer, count);
        return writer.Position;
    }

    private void Advance()
    {
        while (part is null || !part.MoveNext())
        {
            if (!parts.TryDequeue(out part))
            {
                hasRecord = false;
                return;
            }
        }

        hasRecord = true;
    }
}

/// <summary>An answer without records: a refusal and why, signed when the query was.</summary>
internal sealed class RefusalStream(byte[] message) : IAnswerStream
{
    private bool sent;

    public int Next(Span<byte> to)
    {
        if (sent) return 0;
        sent = true;
        message.CopyTo(to);
        return message.Length;
    }

    public void Dispose()
    {
    }
}
