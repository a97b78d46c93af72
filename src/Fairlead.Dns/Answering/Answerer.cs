using System.Runtime.InteropServices;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Answering;

/// <summary>
/// From a query to its answer: the one door that UDP, TCP and the tests go through. It keeps nothing, allocates
/// nothing and throws nothing. RFC 1034 §4.3.2, RFC 6891, RFC 7871, RFC 8482, RFC 5001, and RFC 8906 §8: nobody is
/// met with silence who asks in earnest.
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
        DnsTable table, ReadOnlySpan<byte> query, UInt128 clientMapped, bool isStream, Span<byte> response) =>
        Answer(table, query, new Asker(clientMapped, isStream ? Transport.Tcp : Transport.Udp), null, response);

    /// <summary>The same with what a server keeps: cookies, ready answers, and what it wants told.</summary>
    internal static int Answer(
        DnsTable table, ReadOnlySpan<byte> query, in Asker asker, AnswerState? state, Span<byte> response)
    {
        int ready = state is null ? 0 : ReadyAnswers.TryAnswer(table, query, asker.ClientMapped, state, response);
        return ready > 0 ? ready : Make(table, query, asker, state, response);
    }

    private static int Make(
        DnsTable table, ReadOnlySpan<byte> query, in Asker asker, AnswerState? state, Span<byte> response)
    {
        QueryFault fault = QueryMessage.Read(query, out QueryMessage asked);
        if (fault is QueryFault.Short or QueryFault.Response) return 0;
        state?.Begin(asked, asker.ClientMapped);
        if (fault == QueryFault.Opcode) return NotImplemented(table, asked, asker, state, response);
        if (asked.Name.IsEmpty && fault != QueryFault.CookieOnly)
            return HeaderOnly(asked, Tell(state, Rcode.FormErr), response);

        int limit = asker.IsStream ? ushort.MaxValue : Math.Min((int)asked.UdpBytesMax, Edns.OurUdpBytesMax);
        response = response[..Math.Min(limit, response.Length)];
        Edns edns = EdnsFor(table, asked, asker, state);
        var name = new NameView(
            stackalloc byte[DnsName.WireBytesMax + 1], stackalloc byte[NameView.LabelsMax],
                stackalloc uint[NameView.LabelsMax]);
        scoped var resolution = new Resolution(table, asked, asker.ClientMapped, stackalloc int[Denial.PlacesMax]);
        var writer = new MessageWriter(response, edns.BytesMax(asked),
            stackalloc ushort[MessageWriter.KnownNamesMax], stackalloc uint[MessageWriter.KnownNamesMax]);
        int flags = fault == QueryFault.CookieOnly
            ? (int)Tell(state, Rcode.NoError)
            : Fill(table, asked, fault, state, ref name, ref resolution, ref writer, ref edns);
        var rcode = (Rcode)((flags & 0xf) | ((flags >> 16) & 0xff0));
        writer.Header(asked.Id, (ushort)(0x8000 | (asked.Flags & 0x0100) | (flags & 0xffff)));
        if (!asked.HasEdns) return writer.Position;
        writer.Count(Section.Additional, 1);
        return edns.Write(response, writer.Position, asked, rcode, asker.ClientMapped, state?.NowSeconds ?? 0);
    }

    /// <summary>
    /// What is said to an asker over its rate: nothing but the question and TC, so that a true one comes again over
    /// TCP; or BADCOOKIE with a cookie (RFC 7873 §5.2.3), so that it comes again with that.
    /// </summary>
    internal static int Limited(ReadOnlySpan<byte> query, in Asker asker, AnswerState state, Span<byte> response)
    {
        if (QueryMessage.Read(query, out QueryMessage asked) != QueryFault.None) return 0;
        bool badCookie = state.Cookies is not null && state.Cookie != CookieState.None;
        var edns = new Edns { KeepaliveTenths = -1, ZoneLabels = -1, Cookies = badCookie ? state.Cookies : null };
        var writer = new WireWriter(response[..Math.Min(response.Length, Edns.OurUdpBytesMax)]);
        writer.U16(asked.Id);
        writer.U16((ushort)(0x8000 | (asked.Flags & 0x0100) | (badCookie ? (int)Rcode.BadCookie & 0xf : 0x0200)));
        writer.U64(asked.HasEdns ? 0x0001_0000_0000_0001u : 0x0001_0000_0000_0000u);
        writer.Bytes(asked.Name);
        writer.U16((ushort)asked.Type);
        writer.U16((ushort)asked.Class);
        state.Rcode = badCookie ? Rcode.BadCookie : Rcode.NoError;
        asked.ForgetSubnet(); // It says nothing about a place.
        return asked.HasEdns
            ? edns.Write(response, writer.Position, asked, state.Rcode, asker.ClientMapped, state.NowSeconds)
            : writer.Position;
    }

    private static Edns EdnsFor(DnsTable table, in QueryMessage asked, in Asker asker, AnswerState? state) => new()
    {
        // RFC 5001 §2.1: only for those who ask.
        Nsid = asked.AsksNsid ? table.NsidBytes.Span : default,
        // RFC 7828 §3.2.2: over UDP it is passed over.
        KeepaliveTenths = asked.AsksKeepalive && asker.IsStream && state is not null ? state.KeepaliveTenths : -1,
        Cookies = asked.Cookie.IsEmpty ? null : state?.Cookies,
        Pads = asked.IsPadded && asker.IsEncrypted,
        ZoneLabels = -1,
    };

    /// <summary>Question and records; gives flags and rcode, the high bits of the latter above the flags.</summary>
    private static int Fill(
        DnsTable table, in QueryMessage asked, QueryFault fault, AnswerState? state, scoped ref NameView name,
        scoped ref Resolution resolution, scoped ref MessageWriter writer, scoped ref Edns edns)
    {
        name.Set(asked.Name);
        writer.Question(asked.Name, asked.Type, asked.Class, name);
        (int Position, int Known) afterQuestion = writer.Mark();
        bool mayBeReady = fault == QueryFault.None && asked.Class == RecordClass.Internet && !asked.AsksZoneVersion;
        AnswerCache? cache = mayBeReady ? state?.Cache : null;
        QuestionKey key = cache is null ? default : new QuestionKey(asked.Question);
        if (cache is not null && cache.TryFind(table, key, asked.Type, asked.DnssecOk, out ReadyAnswer ready)
            && !ready.IsSteered && writer.TryTake(ready.Body))
        {
            writer.SetCounts(ready.Counts);
            state!.WasReady = true;
            Tell(state, (Rcode)(ready.Flags & 0xf));
            return ready.Flags;
        }

        if (fault != QueryFault.None)
            resolution.Rcode = fault == QueryFault.Version ? Rcode.BadVers : Rcode.FormErr;
        else if (asked.Class == RecordClass.Chaos)
            AnswerChaos(asked, table.NsidBytes.Span, ref resolution, ref writer);
        else if (asked.Class != RecordClass.Internet)
            (resolution.Rcode, edns.Error) = (Rcode.Refused, ExtendedError.NotAuthoritative);
        else if (asked.Type is RecordType.Axfr or RecordType.Ixfr)
            (resolution.Rcode, edns.Error) = (Rcode.Refused, ExtendedError.Prohibited);
        else
            Resolve(table, asked, ref resolution, ref name, ref writer, ref edns);

        if (resolution.Truncated) writer.ClearRecords(afterQuestion);
        Tell(state, resolution.Rcode);
        if (state is not null) state.SteeredLabel = resolution.SteeredLabel;
        edns.ScopeLength = resolution.ScopeLength;
        int flags = ((int)resolution.Rcode & 0xf) | (((int)resolution.Rcode & 0xff0) << 16)
            | (resolution.Authoritative ? 0x0400 : 0) | (resolution.Truncated ? 0x0200 : 0);
        if (cache is null || writer.HasLeftOut || resolution.Rcode != Rcode.NoError) return flags;
        // The number of a steered name is kept as it lies in memory.
        int steered = resolution.ReadySteered;
        if (resolution.IsForEveryone)
        {
            cache.Keep(table, key, asked.Type, asked.DnssecOk,
                new ReadyAnswer(writer.From(afterQuestion.Position), writer.Counts, (ushort)flags, false));
        }
        else if (steered >= 0)
        {
            cache.Keep(table, key, asked.Type, asked.DnssecOk,
                new ReadyAnswer(MemoryMarshal.AsBytes(new Span<int>(ref steered)), default, 0, true));
        }

        return flags;
    }

    private static void Resolve(
        DnsTable table, in QueryMessage asked, scoped ref Resolution resolution, scoped ref NameView name,
        scoped ref MessageWriter writer, scoped ref Edns edns)
    {
        resolution.Run(ref name, ref writer);
        if (resolution.Rcode == Rcode.Refused) edns.Error = ExtendedError.NotAuthoritative;
        if (!asked.AsksZoneVersion || !resolution.Authoritative) return;
        name.Set(asked.Name);
        if (!table.TryFindZone(name, 0, out ZoneTree tree, out _)) return;
        (edns.ZoneLabels, edns.ZoneSerial) = (tree.Zone.Origin.LabelCount, Zone.SerialOf(table.SoaOf(tree.Zone)));
    }

    private static Rcode Tell(AnswerState? state, Rcode rcode)
    {
        if (state is not null) state.Rcode = rcode;
        return rcode;
    }

    /// <summary>The answer of last resort, when answering itself failed: SERVFAIL with nothing but a header.</summary>
    internal static int ServFail(ReadOnlySpan<byte> query, Span<byte> response)
    {
        QueryFault fault = QueryMessage.Read(query, out QueryMessage asked);
        return fault is QueryFault.Short or QueryFault.Response ? 0 : HeaderOnly(asked, Rcode.ServFail, response);
    }

    // RFC 8914 §4.22: who speaks EDNS is told that it is the operation that we do not have.
    private static int NotImplemented(
        DnsTable table, in QueryMessage asked, in Asker asker, AnswerState? state, Span<byte> response)
    {
        int length = HeaderOnly(asked, Tell(state, Rcode.NotImp), response);
        if (length == 0 || !asked.HasEdns) return length;
        Edns edns = EdnsFor(table, asked, asker, state);
        edns.Error = ExtendedError.NotSupported;
        response[QueryMessage.HeaderBytes - 1] = 1; // One additional record.
        return edns.Write(response[..Math.Min(response.Length, Edns.OurUdpBytesMax)], length, asked, Rcode.NotImp,
            asker.ClientMapped, state?.NowSeconds ?? 0);
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
        in QueryMessage asked, ReadOnlySpan<byte> nsid, scoped ref Resolution resolution,
        scoped ref MessageWriter writer)
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
