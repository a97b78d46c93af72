using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>Every value of each field of a query, one field after the other: always an answer, and its code.</summary>
public class SweepTests
{
    private static readonly DnsTable Swept = DnsTable.Create(
        1, [Load("example.com", ZoneText + "\nredirected DNAME wild\n")], Regions, Steering, "node-1");

    private static Reply Sweep(byte[] query)
    {
        byte[] answer = Ask(query, table: Swept);
        Assert.InRange(answer.Length, QueryMessage.HeaderBytes, 1232);
        Assert.Equal(query[..2], answer[..2]);
        Assert.Equal(0x80, answer[2] & 0x80);
        return new Reply(answer);
    }

    [Fact]
    public void Every_type_is_answered()
    {
        foreach (string name in (string[])["www.example.com", "x.cdn.example.com", "a.redirected.example.com"])
        {
            for (int type = 0; type <= ushort.MaxValue; type++)
            {
                Reply reply = Sweep(Query(name, (RecordType)type, 1232));
                bool transfer = type is (int)RecordType.Axfr or (int)RecordType.Ixfr;
                Rcode[] codes = transfer
                    ? [Rcode.Refused, Rcode.NotImp, Rcode.FormErr]
                    : [Rcode.NoError, .. type is 41 or >= 128 and <= 255 ? [Rcode.FormErr, Rcode.NotImp] : (Rcode[])[]];
                Assert.Contains(reply.Rcode, codes);
                if (reply.Rcode == Rcode.NoError) Assert.NotEmpty(reply.Answers.Concat(reply.Authorities));
            }
        }
    }

    [Fact]
    public void Every_class_is_answered()
    {
        for (int @class = 0; @class <= ushort.MaxValue; @class++)
        {
            Reply reply = Sweep(Query("www.example.com", RecordType.A, 1232, null, (ushort)@class));
            if (@class == 1) Assert.Equal(2, reply.Answers.Count);
            else Assert.NotEqual(Rcode.NxDomain, reply.Rcode);
            if (@class is not (1 or 3 or 254 or 255)) Assert.Equal(Rcode.Refused, reply.Rcode);
        }
    }

    [Fact]
    public void Every_opcode_and_flag_is_answered_except_responses()
    {
        for (int flags = 0; flags <= ushort.MaxValue; flags++)
        {
            byte[] query = Query("www.example.com", RecordType.A, 1232);
            (query[2], query[3]) = ((byte)(flags >> 8), (byte)flags);
            if (flags >= 0x8000)
            {
                Assert.Empty(Ask(query, table: Swept)); // RFC 8906 §3 is about queries; answering answers makes loops.
                continue;
            }

            Reply reply = Sweep(query);
            if (flags >> 11 == 0) Assert.Equal(2, reply.Answers.Count);
            else
                Assert.True(reply.Rcode is Rcode.NotImp or Rcode.Refused or Rcode.FormErr, $"{flags:x4} {reply.Rcode}");
        }
    }

    [Fact]
    public void Every_count_of_questions_is_answered()
    {
        for (int count = 0; count < 1024; count++)
        {
            byte[] query = Query("www.example.com", RecordType.A, 1232);
            (query[4], query[5]) = ((byte)(count >> 8), (byte)count);
            if (count != 1) Assert.True(Sweep(query).Rcode is Rcode.FormErr or Rcode.NoError);
        }
    }

    [Theory]
    [InlineData("x.redirected", "redirected.example.com. 3600 DNAME", "x.redirected.example.com. 3600 CNAME x.wild")]
    [InlineData("redirected", "", "")]
    public void What_lies_below_a_dname_is_redirected(string name, string first, string second)
    {
        Reply reply = Ask(name + ".example.com", RecordType.A, table: Swept);
        Assert.Equal(first.Length == 0 ? 0 : 3, reply.Answers.Count);
        Assert.StartsWith(first, reply.Answers.FirstOrDefault() ?? "", StringComparison.Ordinal);
        Assert.StartsWith(second, reply.Answers.ElementAtOrDefault(1) ?? "", StringComparison.Ordinal);
    }
}
