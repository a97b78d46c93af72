using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Zones;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;

namespace Fairlead.InteropTests.Dns;

/// <summary>What an operator sees who asks with kdig, over both transports and both families.</summary>
public class KdigTests
{
    private const string Many = "192.0.2.7";

    private static async Task WithServerAsync(string prefix, Action<Bed> test)
    {
        using var bed = new Bed(prefix);
        bed.AddHost("srv");
        bed.AddHost("cli");
        bed.AddLink("srv", "eth0", "cli", "eth0");
        foreach ((string host, string address) in ((string, string)[])[
            ("srv", "192.0.2.1/24"), ("srv", $"{Many}/24"), ("srv", "2001:db8::1/64"), ("srv", "2001:db8::7/64"),
            ("cli", "192.0.2.200/24"), ("cli", "2001:db8::200/64")])
            bed.AddAddress(host, "eth0", address);
        string text = DnsTestBed.ZoneText + string.Concat(Enumerable.Range(0, 100).Select(i => $"\nmany A 10.0.0.{i}"));
        Zone zone = DnsTestBed.Load("example.com", text);
        var table =
            new Snapshot<DnsTable>(DnsTable.Create(1, [zone], DnsTestBed.Regions, DnsTestBed.Steering, "node-1"));
        await using var server = new DnsServer(
            new DnsServerOptions { Listen = [new(IPAddress.Any, 53), new(IPAddress.IPv6Any, 53)], UdpThreads = 2 },
                table);
        NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
        {
            server.Start();
            return 0;
        });
        test(bed);
    }

    private static string Dig(Bed bed, params string[] arguments) =>
        bed.Run("cli", "kdig", ["+retry=1", "+timeout=3", .. arguments]);

    [InteropFact("kdig", "ip")]
    public Task Kdig_is_answered_on_every_address_and_transport() => WithServerAsync("fltdnsd1", bed =>
    {
        // The second address of each family: the answer must come from where it was asked, else kdig drops it.
        foreach (string server in (string[])["@192.0.2.1", $"@{Many}", "@2001:db8::1", "@2001:db8::7"])
        {
            foreach (string transport in (string[])["+notcp", "+tcp"])
                Assert.Equal("192.0.2.80\n192.0.2.81\n", Dig(bed, server, transport, "+short", "www.example.com", "A"));
        }

        Assert.Equal("\"node-1\"\n", Dig(bed, $"@{Many}", "+short", "-c", "CH", "id.server", "TXT"));
        Assert.Contains("\"node-1\"", Dig(bed, $"@{Many}", "+nsid", "www.example.com"));
        string keptOpen =
            Dig(bed, $"@{Many}", "+tcp", "+keepopen", "+short", "www.example.com", "+tcp", "mail.example.com");
        Assert.Equal("192.0.2.80\n192.0.2.81\n192.0.2.25\n", keptOpen);
    });

    [InteropFact("kdig", "ip")]
    public Task Kdig_sees_scopes_and_regions() => WithServerAsync("fltdnsd2", bed =>
    {
        string region = Dig(bed, "@192.0.2.1", "+subnet=203.0.113.0/24", "steered.example.com", "A");
        Assert.Contains("192.0.2.102", region);
        Assert.Contains("203.0.113.0/24/24", region);
        string six = Dig(bed, "@2001:db8::1", "+subnet=2001:db8:1::/56", "steered.example.com", "A");
        Assert.Contains("192.0.2.101", six);
        Assert.Contains("2001:db8:1::/56/48", six);
        string fixedData = Dig(bed, "@192.0.2.1", "+subnet=203.0.113.0/24", "www.example.com", "A");
        Assert.Contains("203.0.113.0/24/0", fixedData);
        Assert.DoesNotContain("CLIENT-SUBNET", Dig(bed, "@192.0.2.1", "+edns", "steered.example.com", "A"));
        Assert.Contains("192.0.2.100", Dig(bed, "@192.0.2.1", "steered.example.com", "A"));
    });

    [InteropFact("kdig", "ip")]
    public Task Kdig_comes_back_over_tcp_when_the_answer_is_truncated() => WithServerAsync("fltdnsd3", bed =>
    {
        string cut = Dig(bed, "@192.0.2.1", "+bufsize=4096", "+ignore", "many.example.com", "A");
        Assert.Contains(" tc", cut);
        Assert.Contains("ANSWER: 0", cut);
        string whole = Dig(bed, "@192.0.2.1", "+bufsize=4096", "many.example.com", "A");
        Assert.Contains("ANSWER: 100", whole);
        Assert.Contains("(TCP)", whole);
        Assert.DoesNotContain("(TCP)", Dig(bed, "@192.0.2.1", "+bufsize=600", "www.example.com", "A"));
        Assert.Contains("BADVERS", Dig(bed, "@192.0.2.1", "+edns=1", "www.example.com", "A"));
    });

    [InteropFact("mmdblookup")]
    public void Mmdblookup_reads_what_we_read()
    {
        (string Prefix, Place Place)[] places =
        [
            ("192.0.2.0/24", new Place("EU", "DE", 52.5, 13.5)), ("10.0.0.0/8", new Place("NA", "US", 40.5, -74)),
            ("2001:db8::/32", new Place("AS", "JP", 35.5, 139.75)),
                ("192.0.2.128/25", new Place("EU", "FR", 48.5, 2.5)),
        ];
        string file = Path.GetTempFileName();
        foreach (int recordBits in (int[])[24, 28, 32])
        {
            File.WriteAllBytes(file, MmdbWriter.Write(places, recordBits, 6));
            MmdbDatabase database = MmdbDatabase.Open(File.ReadAllBytes(file), out _)!;
            foreach (string address in (
                string[])["192.0.2.1", "192.0.2.200", "10.9.8.7", "2001:db8::1", "192.0.3.0", "::1"])
            {
                (int exit, string output, _) = Command.Try(
                    "mmdblookup", TimeSpan.FromSeconds(5), null, "--file", file, "--ip", address, "country",
                        "iso_code");
                string? country = database.Find(IPAddress.Parse(address))?.Country;
                Assert.Equal(country is not null, exit == 0);
                if (country is not null) Assert.Contains($"\"{country}\"", output);
            }
        }

        File.Delete(file);
    }
}
