using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;
using Xunit.Abstractions;

namespace Fairlead.InteropTests.Dns;

/// <summary>What gdnsd answers, our server answers with the imported configuration; TTLs aside.</summary>
public class GdnsdTests(ITestOutputHelper output)
{
    private static readonly string[] Names = ["tree", "auto", "next", "cdn"];

    [InteropFact("gdnsd", "ip")]
    public async Task An_imported_configuration_answers_10000_clients_as_gdnsd_did()
    {
        Counts counts = await CompareAsync("fltgd", 10_000, null);
        output.WriteLine($"{counts}");
        Assert.Equal(counts.Asked, counts.Same);
        Assert.Equal(0, counts.Narrower);
        Assert.Equal(0, counts.WiderAndWrong);
        Assert.True(counts.Sampled > 1000, "too few scopes were wider to say anything of them");
    }

    [InteropFact("gdnsd", "ip")]
    public async Task The_comparison_sees_one_entry_that_is_not_as_it_was()
    {
        Counts counts = await CompareAsync("fltgs", 1000, fleet =>
        {
            Assert.Contains("\"GB\": [dc4, dc1]", fleet, StringComparison.Ordinal);
            return fleet.Replace("\"GB\": [dc4, dc1]", "\"GB\": [dc1, dc4]", StringComparison.Ordinal);
        });
        output.WriteLine($"{counts}");
        Assert.InRange(counts.Asked - counts.Same, 1, counts.Asked / 2);
    }

    private static async Task<Counts> CompareAsync(string prefix, int clients, Func<string, string>? spoil)
    {
        await using var bed = new GdnsdBed(prefix, seed: 20260);
        bed.Start(spoil);
        await bed.UntilGdnsdServesAsync();
        return NetworkNamespace.Run(bed.Bed.NamespaceOf("srv"), () => Compare(bed, clients, spoil is null));
    }

    private static Counts Compare(GdnsdBed bed, int clients, bool samples)
    {
        var counts = new Counts();
        var random = new Random(1);
        for (int i = 0; i < clients; i++)
        {
            bool six = i % 2 == 1, tells = i % 4 < 2;
            IPAddress client = bed.RandomClient(six);
            string name = $"{Names[(i / 4) % Names.Length]}.example.com";
            RecordType type = random.Next(2) == 0 ? RecordType.A : RecordType.Aaaa;
            int length = six ? random.Next(16, 57) : random.Next(8, 25);
            Prefix told = Cut(client, length);
            byte[] query = DnsTestBed.Query(name, type, 1232, tells ? DnsTestBed.SubnetOption(told.ToString()) : null);
            Reply? theirs = GdnsdBed.Ask(GdnsdBed.GdnsdPort, query, tells ? null : client);
            Reply? ours = GdnsdBed.Ask(GdnsdBed.OurPort, query, tells ? null : client);
            Assert.True(theirs is not null && ours is not null, $"{client} {name}: no answer");
            counts.Asked++;
            if (Said(theirs, type) == Said(ours, type)) counts.Same++;
            else
            {
                counts.First ??=
                    $"{client} {told} {tells} {name} {type}: {Said(theirs, type)}, ours {Said(ours, type)}";
            }
            if (!tells) continue;
            counts.WithSubnet++;
            int scope = Math.Min(theirs.Scope, length);
            if (ours.Scope == scope) counts.SameScope++;
            else if (ours.Scope > scope)
            {
                counts.Narrower++;
                counts.First ??= $"{told} {name}: scope {theirs.Scope}, ours {ours.Scope}";
            }
            else if (samples) Sample(counts, Cut(client, ours.Scope), name, type, Said(ours, type), random);
        }

        return counts;
    }

    // A wider scope is right only when gdnsd gives every client in it the same answer.
    private static void Sample(Counts counts, Prefix scope, string name, RecordType type, string said, Random random)
    {
        counts.Wider++;
        for (int i = 0; i < 8; i++)
        {
            IPAddress other = GdnsdBed.RandomIn(scope, random);
            Prefix told = Cut(other, scope.IsIPv4 ? 32 : 128);
            byte[] query = DnsTestBed.Query(name, type, 1232, DnsTestBed.SubnetOption(told.ToString()));
            counts.Sampled++;
            if (GdnsdBed.Ask(GdnsdBed.GdnsdPort, query, null) is { } reply && Said(reply, type) == said) continue;
            counts.WiderAndWrong++;
            counts.First ??= $"{scope} {name}: not {said} for {other}";
        }
    }

    private static Prefix Cut(IPAddress address, int length)
    {
        int mapped = address.AddressFamily == AddressFamily.InterNetwork ? length + 96 : length;
        UInt128 mask = mapped == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - mapped);
        return Prefix.OfMapped(Prefix.BitsOf(address) & mask, mapped);
    }

    // The data of the answers, without names and TTLs; the order of addresses goes round.
    private static string Said(Reply reply, RecordType type)
    {
        IEnumerable<string> data = reply.Answers.Select(answer => answer[(answer.LastIndexOf(' ') + 1)..]);
        return $"{reply.Rcode} {type} {string.Join(' ', data.Order(StringComparer.Ordinal))}";
    }

    private sealed class Counts
    {
        public int Asked { get; set; }

        public int Same { get; set; }

        public int WithSubnet { get; set; }

        public int SameScope { get; set; }

        public int Wider { get; set; }

        public int Narrower { get; set; }

        public int Sampled { get; set; }

        public int WiderAndWrong { get; set; }

        public string? First { get; set; }

        public override string ToString() =>
            $"asked {Asked}, same {Same}; with a subnet {WithSubnet}: same scope {SameScope}, wider {Wider} "
                + $"({Sampled} sampled, {WiderAndWrong} wrong), narrower {Narrower}. {First}";
    }
}
