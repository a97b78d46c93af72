using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Health;
using Fairlead.Health.Probes;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Dns;

namespace Fairlead.Tests.Health;

/// <summary>The DNS check against our own answers, whole and damaged, and against sockets on loopback.</summary>
public class DnsProbeTests
{
    private static ProbeResult Judge(CheckSpec spec)
    {
        byte[] query = DnsProbe.Query(spec);
        return DnsProbe.Judge(spec, query, Answer(query));
    }

    internal static byte[] Answer(byte[] query)
    {
        byte[] response = new byte[1232];
        int length = Answerer.Answer(
            DnsTestBed.Table, query, Prefix.BitsOf(IPAddress.Loopback), isStream: false, response);
        return response[..length];
    }

    private static CheckSpec Asks(string name, CheckRecordType type, string? answer = null) => new()
    {
        Kind = CheckKind.Dns,
        Name = name,
        Type = type,
        Answer = answer is null ? null : IPAddress.Parse(answer),
        Timeout = TimeSpan.FromSeconds(5),
    };

    [Theory]
    [InlineData("www.example.com", CheckRecordType.A, null, true)]
    [InlineData("www.example.com.", CheckRecordType.A, "192.0.2.81", true)]
    [InlineData("www.example.com", CheckRecordType.A, "192.0.2.99", false)]
    [InlineData("alias.example.com", CheckRecordType.A, "192.0.2.80", true)] // Behind a CNAME.
    [InlineData("alias.example.com", CheckRecordType.CNAME, null, true)]
    [InlineData("ns1.example.com", CheckRecordType.AAAA, "2001:db8::1", true)]
    [InlineData("www.example.com", CheckRecordType.AAAA, null, false)] // NOERROR without a record.
    [InlineData("nothing.example.com", CheckRecordType.A, null, false)]
    [InlineData("www.example.org", CheckRecordType.A, null, false)]
    [InlineData("example.com", CheckRecordType.SOA, null, true)]
    public void An_answer_is_judged_by_its_code_and_records(
        string name, CheckRecordType type, string? answer, bool healthy) =>
        Assert.Equal(healthy, Judge(Asks(name, type, answer)).Success);

    [Fact]
    public void The_reason_is_told()
    {
        Assert.Equal(
            "NXDOMAIN for nothing.example.com A", Judge(Asks("nothing.example.com", CheckRecordType.A)).Detail);
        Assert.Equal("REFUSED for . NS", Judge(Asks(".", CheckRecordType.NS)).Detail);
        Assert.Equal("NOERROR, 2 records, 192.0.2.9 is not among them",
            Judge(Asks("www.example.com", CheckRecordType.A, "192.0.2.9")).Detail);
    }

    [Fact]
    public void Damaged_answers_are_judged_and_never_throw() => Property.Holds(10_000, random =>
    {
        CheckSpec spec = Asks("alias.example.com", CheckRecordType.A, random.Next(2) == 0 ? "192.0.2.80" : null);
        byte[] query = DnsProbe.Query(spec), answer = Answer(query);
        for (int i = random.Next(6); i > 0; i--) answer[random.Next(answer.Length)] = (byte)random.Next(256);
        _ = DnsProbe.Judge(spec, query, answer.AsSpan(0, random.Next(query.Length, answer.Length + 1)));
    });
}
