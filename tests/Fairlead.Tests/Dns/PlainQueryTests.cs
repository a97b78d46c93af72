using Fairlead.Dns.Wire;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>The short reader and the whole one take the same message for the same question.</summary>
public class PlainQueryTests
{
    private static byte[] Any(Random random)
    {
        byte[] options = random.Next(4) switch
        {
            0 => SubnetOption("203.0.113.0/24"),
            1 => SubnetOption("2001:db8::/48"),
            2 => [.. SubnetOption("203.0.113.0/24"), 0, 3, 0, 0],
            _ => [],
        };
        int? edns = random.Next(3) switch { 0 => null, 1 => 512, _ => 4096 };
        byte[] query = Query(random.Next(2) == 0 ? "WWW.example.com" : "a.b", RecordType.Aaaa, edns, options);
        for (int i = random.Next(3); i > 0; i--) query[random.Next(query.Length)] = (byte)random.Next(256);
        return random.Next(8) == 0 ? query[..random.Next(query.Length)] : query;
    }

    [Fact]
    public void What_it_takes_it_reads_like_the_whole_reader() => Property.Holds(20_000, random =>
    {
        byte[] message = Any(random);
        if (!PlainQuery.TryRead(message, out PlainQuery plain)) return;
        Assert.Equal(QueryFault.None, QueryMessage.Read(message, out QueryMessage whole));
        Assert.Equal(RecordClass.Internet, whole.Class);
        Assert.Equal((whole.Id, whole.Type, whole.HasEdns), (plain.Id, plain.Type, plain.HasEdns));
        Assert.Equal((whole.DnssecOk, whole.HasSubnet), (plain.DnssecOk, plain.HasSubnet));
        Assert.Equal(whole.Subnet, plain.Subnet);
        Assert.Equal((whole.Flags & 0x0100) != 0, plain.RecursionDesired);
        Assert.Equal(Math.Min((int)whole.UdpBytesMax, Edns.OurUdpBytesMax), plain.BytesMax);
        Assert.True(plain.Question.SequenceEqual(whole.Question));
        Assert.True(whole.Cookie.IsEmpty && !whole.AsksNsid && !whole.HasTsig && !whole.IsPadded);
        if (!plain.HasEdns) return;
        byte[] opt = new byte[64], other = new byte[64];
        var edns = new Edns { KeepaliveTenths = -1, ZoneLabels = -1, ScopeLength = 17 };
        int length = edns.Write(other, 0, whole, Rcode.NoError, 0, 0);
        plain.WriteOpt(opt, 17);
        Assert.Equal(other[..length], opt[..plain.OptLength]);
    });

    [Fact]
    public void Most_of_what_resolvers_send_it_takes()
    {
        Assert.True(PlainQuery.TryRead(Query("www.example.com", RecordType.A, null, []), out _));
        Assert.True(PlainQuery.TryRead(Query("www.example.com", RecordType.A, 1232, []), out _));
        byte[] query = Query("www.example.com", RecordType.A, 1232, SubnetOption("203.0.113.0/24"));
        Assert.True(PlainQuery.TryRead(query, out PlainQuery plain));
        Assert.Equal(24, plain.Subnet.SourceLength);
        Assert.False(PlainQuery.TryRead(Query("www.example.com", RecordType.A, 1232, [0, 3, 0, 0]), out _));
    }

    [Fact]
    public void A_key_knows_its_name_in_any_case_and_no_other() => Property.Holds(5_000, random =>
    {
        byte[] question = [.. DnsName.Parse(Name(random)).Wire, 0, 1, 0, 1];
        byte[] other = [.. DnsName.Parse(Name(random)).Wire, 0, 1, 0, 1];
        byte[] upper = [.. question.Select(
            value => value is >= (byte)'a' and <= (byte)'z' ? (byte)(value - 32) : value)];
        byte[] folded = new byte[question.Length];
        new QuestionKey(upper).CopyTo(folded);
        Assert.Equal(question, folded);
        Assert.Equal(QuestionKey.HashOf(question), QuestionKey.HashOf(upper));
        Assert.True(new QuestionKey(upper).Is(folded));
        Assert.Equal(question.AsSpan().SequenceEqual(other), new QuestionKey(other).Is(folded));
    });

    private static string Name(Random random) => string.Join('.', Enumerable.Range(0, random.Next(0, 4)).Select(
        _ => new string([.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => "ab-0z"[random.Next(5)])]))) + ".";
}
