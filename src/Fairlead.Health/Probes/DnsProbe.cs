using System.Security.Cryptography;
using System.Text;
using Fairlead.Net.Wire;

namespace Fairlead.Health.Probes;

/// <summary>
/// One question to a DNS server over UDP (RFC 1035 §4.1). Healthy is NOERROR with a record of the type that was asked
/// for; and where an address is wanted, one with that. Written for this one question: a check must not share its reader
/// with the server that it may be checking.
/// </summary>
internal static class DnsProbe
{
    private const int HeaderBytes = 12;

    public static byte[] Query(CheckSpec spec)
    {
        byte[] message = new byte[HeaderBytes + 255 + 4];
        var writer = new WireWriter(message);
        writer.U16((ushort)RandomNumberGenerator.GetInt32(65_536)); // Nobody may guess it (RFC 5452 §9.2).
        writer.U16(0x0100); // RD: resolvers are asked as their users ask them.
        writer.U16(1);
        writer.U16(0);
        writer.U32(0);
        foreach (string label in spec.Name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            writer.U8((byte)label.Length);
            writer.Bytes(Encoding.ASCII.GetBytes(label));
        }

        writer.U8(0);
        writer.U16((ushort)spec.Type);
        writer.U16(1);
        return writer.Written.ToArray();
    }

    /// <summary>Its id, and its question as it was asked, whatever the case of the letters (RFC 5452 §9.1).</summary>
    public static bool IsAnswerTo(ReadOnlySpan<byte> query, ReadOnlySpan<byte> answer) =>
        answer.Length >= query.Length && answer[..2].SequenceEqual(query[..2]) && (answer[2] & 0x80) != 0
        && Ascii.EqualsIgnoreCase(answer[HeaderBytes..query.Length], query[HeaderBytes..]);

    public static ProbeResult Judge(CheckSpec spec, ReadOnlySpan<byte> query, ReadOnlySpan<byte> answer) =>
        Records(spec, query, answer) with { Code = answer[3] & 0xf };

    private static ProbeResult Records(CheckSpec spec, ReadOnlySpan<byte> query, ReadOnlySpan<byte> answer)
    {
        int rcode = answer[3] & 0xf;
        if (rcode != 0) return ProbeResult.Of(false, $"{NameOf(rcode)} for {spec.Name} {spec.Type}");
        var reader = new WireReader(answer);
        _ = reader.Take(6);
        int records = reader.U16();
        _ = reader.Take(query.Length - 8);
        int found = 0;
        for (; records > 0; records--)
        {
            SkipName(ref reader);
            int type = reader.U16();
            _ = reader.Take(6);
            ReadOnlySpan<byte> data = reader.Take(reader.U16());
            if (reader.Failed) break;
            if (type != (int)spec.Type) continue;
            found++;
            if (spec.Answer is { } wanted && data.SequenceEqual(wanted.GetAddressBytes()))
                return ProbeResult.Of(true, $"NOERROR, {wanted}");
        }

        // TC says that there is more than fits; what is wanted may be among that, but what is asked for is there.
        bool isCut = (answer[2] & 0x02) != 0;
        if (reader.Failed && !isCut) return ProbeResult.Of(false, "the answer is broken off");
        if (spec.Answer is { } missing)
            return ProbeResult.Of(false, $"NOERROR, {found} records, {missing} is not among them");
        return ProbeResult.Of(found > 0 || isCut, $"NOERROR, {found} records");
    }

    // Its end is all that is wanted, and a pointer is one (RFC 1035 §4.1.4).
    private static void SkipName(ref WireReader reader)
    {
        while (!reader.Failed)
        {
            int length = reader.U8();
            if (length == 0) return;
            _ = reader.Take(length >= 0xc0 ? 1 : length);
            if (length >= 0xc0) return;
        }
    }

    private static string NameOf(int rcode) => rcode switch
    {
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => $"rcode {rcode}",
    };
}
