using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>Queries as kdig sends them, and the answers byte by byte as the RFCs spell them, checked by hand.</summary>
public class GoldenQueryTests
{
    private const string Www = "03777777 07 6578616d706c65 03636f6d 00";
    private const string Steered = "0773746565726564 07 6578616d706c65 03636f6d 00";

    [Theory]
    // QR AA RD; two A records of 3600 s, their owner a pointer to the question.
    [InlineData("kdig-a", "b8f5 8500 0001 0002 0000 0000", Www + "0001 0001",
        "c00c 0001 0001 00000e10 0004 c0000250", "c00c 0001 0001 00000e10 0004 c0000251")]
    // No data: the SOA with TTL 300; its owner points into the question, ns1 and
    // hostmaster to the owner. OPT: 1232, DO.
    [InlineData("kdig-edns-do", "1fa9 8500 0001 0000 0001 0001", Www + "001c 0001",
        "c010 0006 0001 0000012c 0027 036e7331c010 0a686f73746d6173746572c010",
        "78c275f5 00001c20 00000384 00127500 0000012c",
        "00 0029 04d0 00008000 0000")]
    // 203.0.113.0/24 is region 2 and nothing wider is: scope 24.
    [InlineData("kdig-subnet4", "34df 8500 0001 0001 0000 0001", Steered + "0001 0001",
        "c00c 0001 0001 0000001e 0004 c0000266", "00 0029 04d0 00000000 000b 0008 0007 0001 18 18 cb0071")]
    // NSID "node-1", then the subnet: told /56, the region is a /48 (0x30).
    [InlineData("kdig-subnet6", "d5d7 8500 0001 0001 0000 0001", Steered + "0001 0001",
        "c00c 0001 0001 0000001e 0004 c0000265", "00 0029 04d0 00000000 0019 0003 0006 6e6f64652d31",
        "0008 000b 0002 38 30 20010db8000100")]
    [InlineData("kdig-chaos", "03ca 8500 0001 0001 0000 0000", "026964 06736572766572 00 0010 0003",
        "c00c 0010 0003 00000000 0007 06 6e6f64652d31")]
    // A cookie is an option that we do not know: it is not sent back.
    [InlineData("kdig-cookie", "e539 8500 0001 0002 0000 0001", Www + "0001 0001",
        "c00c 0001 0001 00000e10 0004 c0000250", "c00c 0001 0001 00000e10 0004 c0000251", "00 0029 04d0 00000000 0000")]
    public void What_kdig_asks_is_answered_to_the_byte(string fixture, params string[] answer)
    {
        string expected = string.Concat(answer).Replace(" ", "", StringComparison.Ordinal);
        Assert.Equal(expected, Convert.ToHexStringLower(Ask(Fixture.Hex($"dns/{fixture}.hex"))));
    }
}
