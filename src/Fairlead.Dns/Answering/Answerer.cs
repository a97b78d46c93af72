using Fairlead.Dns.Wire;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Answering;

/// <summary>
/// From a query to its answer: the one door that UDP, TCP and the tests go through. It keeps nothing, allocates
/// nothing and throws nothing. RFC 1034 §4.3.2, RFC 6891, RFC 7871, RFC 8482, RFC 5001.
/// </summary>
public static class Answerer
{
    private static ReadOnlySpan<byte> IdServer => "\u0002id\u0006server\0"u8;

    private static ReadOnlySpan<byte> HostnameBind => "\u0008hostname\u0004bind\0"u8;

    /// <summary>
    /// Writes the answer and gives its length; 0 means silence (less than a header, or itself a response: answering
    /// those makes loops). The client's address is in the 128-bit space, IPv4 in mapped form. The response has 65535
    /// bytes for streams and at least 1232 otherwise.
    /// </summary>
    public static int Answer(
        DnsTable table, ReadOnlySpan<byte> query, UInt128 clientMapped, bool isStream, Span<byte> response)
    {
        QueryFault fault = QueryMessage.Read(query, out QueryMessage asked);
        if (fault is QueryFault.Short or QueryFault.Response) return 0;
        if (fault == QueryFault.Opcode) return HeaderOnly(asked, Rcode.NotImp, response);
        if (asked.Name.IsEmpty) return HeaderOnly(asked, Rcode.FormErr, response);

        ReadOnlySpan<byte> nsid = table.NsidBytes.Span;
        int limit = isStream ? ushort.MaxValue : Math.Min((int)asked.UdpBytesMax, Edns.OurUdpBytesMax);
        response = response[..Math.Min(limit, response.Length)];
        var name = new NameView(
            stackalloc byte[DnsName.WireBytesMax + 1], stackalloc byte[NameView.LabelsMax],
                stackalloc uint[NameView.LabelsMax]);
        name.Set(asked.Name);
        var writer = new MessageWriter(response, Edns.OptBytes(asked, nsid.Length),
            stackalloc ushort[MessageWriter.KnownNamesMax], stackalloc uint[MessageWriter.KnownNamesMax]);
        writer.Question(asked.Name, asked.Type, asked.Class, name);
        (int Position, int Known) afterQuestion = writer.Mark();

        scoped var resolution = new Resolution(table, asked, clientMapped, stackalloc int[Denial.PlacesMax]);
        if (fault != QueryFault.None)
            resolution.Rcode = fault == QueryFault.Version ? Rcode.BadVers : Rcode.FormErr;
        else if (asked.Class == RecordClass.Chaos)
            AnswerChaos(asked, nsid, ref resolution, ref writer);
        else if (asked.Class != RecordClass.Internet || asked.Type is RecordType.Axfr or RecordType.Ixfr)
            resolution.Rcode = Rcode.Refused;
        else
            resolution.Run(ref name, ref writer);

        if (resolution.Truncated) writer.ClearRecords(afterQuestion);
        int flags = 0x8000 | (asked.Flags & 0x0100) | ((int)resolution.Rcode & 0xf)
            | (resolution.Authoritative ? 0x0400 : 0) | (resolution.Truncated ? 0x0200 : 0);
        writer.Header(asked.Id, (ushort)flags);
        return writer.Finish(asked, resolution.Rcode, nsid, resolution.ScopeLength);
    }

    /// <summary>The answer of last resort, when answering itself failed: SERVFAIL with nothing but a header.</summary>
    internal static int ServFail(ReadOnlySpan<byte> query, Span<byte> response)
    {
        QueryFault fault = QueryMessage.Read(query, out QueryMessage asked);
        return fault is QueryFault.Short or QueryFault.Response ? 0 : HeaderOnly(asked, Rcode.ServFail, response);
    }

    private static int HeaderOnly(in QueryMessage asked, Rcode rcode, Span<byte> response)
    {
        var writer = new WireWriter(response);
        writer.U16(asked.Id);
        // The opcode goes back as it came (RFC 1035 §4.1.1), so does RD.
        writer.U16((ushort)(0x8000 | (asked.Flags & 0x7900) | (int)rcode));
        writer.U64(0);
        return writer.Failed ? 0 : writer.Position;
    }

    // RFC 4892: who is it that answers here?
    private static void AnswerChaos(
        in QueryMessage asked, ReadOnlySpan<byte> nsid, ref Resolution resolution, ref MessageWriter writer)
    {
        bool known = NamesEqual(asked.Name, IdServer) || NamesEqual(asked.Name, HostnameBind);
        if (!known || nsid.IsEmpty)
        {
            resolution.Rcode = Rcode.Refused;
            return;
        }

        resolution.Authoritative = true;
        if (asked.Type is not (RecordType.Txt or RecordType.Any)) return;
        Span<byte> record =
            [0xc0, QueryMessage.HeaderBytes, 0, (byte)RecordType.Txt, 0, (byte)RecordClass.Chaos, 0, 0, 0, 0];
        writer.Bytes(record);
        writer.Bytes([(byte)((nsid.Length + 1) >> 8), (byte)(nsid.Length + 1), (byte)nsid.Length]);
        writer.Bytes(nsid);
        if (writer.Failed) resolution.Truncated = true;
        else writer.Count(Section.Answer, 1);
    }

    private static bool NamesEqual(ReadOnlySpan<byte> asked, ReadOnlySpan<byte> lower)
    {
        if (asked.Length != lower.Length) return false;
        for (int i = 0; i < lower.Length; i++)
        {
            if (NameHash.Fold(asked[i]) != lower[i]) return false;
        }

        return true;
    }
}
