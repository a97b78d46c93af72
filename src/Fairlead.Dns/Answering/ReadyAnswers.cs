using System.Buffers.Binary;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Answering;

/// <summary>
/// The short way to an answer: a plain query for what was asked before. What it writes is byte for byte what Answerer
/// would; where it cannot, it leaves the query to that.
/// </summary>
internal static class ReadyAnswers
{
    private const int OwnerBytes = 2;
    private const ushort QuestionPointer = 0xc000 | QueryMessage.HeaderBytes;
    private const ushort AuthoritativeFlag = 0x0400;

    /// <summary>Gives the answer's length; 0: it must be made.</summary>
    public static int TryAnswer(
        DnsTable table, ReadOnlySpan<byte> message, UInt128 clientMapped, AnswerState state, Span<byte> response)
    {
        if (state.Cache is not { } cache || !PlainQuery.TryRead(message, out PlainQuery query)) return 0;
        var key = new QuestionKey(query.Question);
        if (!cache.TryFind(table, key, query.Type, query.DnssecOk, out ReadyAnswer ready)) return 0;
        int label = 0;
        int length = ready.IsSteered
            ? Steered(table, query, ready.SteeredNumber, clientMapped, response, out label)
            : Fixed(query, ready, response);
        if (length > 0) state.BeginReady(query.Type, label, isFixed: !ready.IsSteered);
        return length;
    }

    private static int Fixed(in PlainQuery query, in ReadyAnswer ready, Span<byte> response)
    {
        int at = QueryMessage.HeaderBytes + query.Question.Length;
        int end = at + ready.Body.Length;
        if (end + query.OptLength > Math.Min(query.BytesMax, response.Length)) return 0;
        Head(query, ready.Flags, response);
        ready.Counts.CopyTo(response[6..]);
        ready.Body.CopyTo(response[at..]);
        return Finish(query, end, 0, response);
    }

    private static int Steered(
        DnsTable table, in PlainQuery query, int number, UInt128 clientMapped, Span<byte> response, out int label)
    {
        label = 0;
        SteeredEntry entry = table.Steering[number];
        bool bySubnet = query.HasSubnet && query.Subnet.SourceLength > 0;
        SteeredChoice choice = bySubnet
            ? entry.Choose(table.Regions, query.Type, query.Subnet.BitsMapped, query.Subnet.SourceLengthMapped)
            : entry.Choose(table.Regions, query.Type, clientMapped, 128);
        // Before a share is drawn: who draws twice for one answer makes the shares come out wrong.
        if (choice.Split is not { IsPlain: true } split) return 0;
        CompiledShare share = split.Choose(choice.Slot, entry);
        SetView set = entry.SetOf(share)!.View;
        int signatures = query.DnssecOk ? set.SignatureCount : 0;
        int at = QueryMessage.HeaderBytes + query.Question.Length;
        ReadOnlySpan<byte> bodies = signatures > 0 ? set.AllBodies[..set.AllBytes] : set.Bodies;
        int records = set.Count + signatures;
        int end = at + bodies.Length + (records * OwnerBytes);
        if (end + query.OptLength > Math.Min(query.BytesMax, response.Length)) return 0;
        Head(query, AuthoritativeFlag, response);
        BinaryPrimitives.WriteUInt16BigEndian(response[6..], (ushort)records);
        response.Slice(8, 4).Clear();
        for (; records > 0; records--)
        {
            int length = SetView.HeadBytes + BinaryPrimitives.ReadUInt16BigEndian(bodies[8..]);
            BinaryPrimitives.WriteUInt16BigEndian(response[at..], QuestionPointer);
            bodies[..length].CopyTo(response[(at + OwnerBytes)..]);
            BinaryPrimitives.WriteUInt32BigEndian(response[(at + OwnerBytes + 4)..], choice.TtlSeconds);
            bodies = bodies[length..];
            at += OwnerBytes + length;
        }

        label = share.Label;
        bool scoped = bySubnet && !entry.Steering.IsOneForAll(query.Type);
        int scope = scoped ? Math.Min(choice.ScopeLengthMapped, query.Subnet.SourceLengthMapped) : 0;
        return Finish(query, end, (byte)(scoped && query.Subnet.Family == 1 ? scope - 96 : scope), response);
    }

    private static void Head(in PlainQuery query, ushort flags, Span<byte> response)
    {
        BinaryPrimitives.WriteUInt16BigEndian(response, query.Id);
        BinaryPrimitives.WriteUInt16BigEndian(
            response[2..], (ushort)(0x8000 | (query.RecursionDesired ? 0x0100 : 0) | flags));
        BinaryPrimitives.WriteUInt16BigEndian(response[4..], 1);
        query.Question.CopyTo(response[QueryMessage.HeaderBytes..]);
    }

    private static int Finish(in PlainQuery query, int end, byte scopeLength, Span<byte> response)
    {
        if (!query.HasEdns) return end;
        response[11]++; // An answer that fits a datagram has fewer than 255 additional records.
        query.WriteOpt(response[end..], scopeLength);
        return end + query.OptLength;
    }
}
