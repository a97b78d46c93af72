using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;
using Xunit.Abstractions;

namespace Fairlead.InteropTests.Dns;

/// <summary>
/// The same generated zones, served by Knot, by NSD and by us, asked the same questions. FAIRLEAD_SEEDS adds seeds,
/// with commas between them.
/// </summary>
public class AgreementTests(ITestOutputHelper output)
{
    private const int QuestionsMin = 3000;

    private static readonly string[] Types =
    [
        "A", "AAAA", "NS", "SOA", "CNAME", "MX", "TXT", "SRV", "PTR", "CAA", "DS", "HTTPS", "SVCB", "DNAME", "NAPTR",
        "TYPE64999", "ANY",
    ];

    [InteropFact("knotd", "nsd", "ip")]
    public async Task Knot_and_nsd_and_we_give_the_same_answers()
    {
        IEnumerable<string> more = (Environment.GetEnvironmentVariable("FAIRLEAD_SEEDS") ?? "")
            .Split(',', StringSplitOptions.RemoveEmptyEntries);
        int asked = 0, accepted = 0;
        var differences = new List<string>();
        foreach (int seed in (int[])[1, 2, .. more.Select(seed => int.Parse(seed, CultureInfo.InvariantCulture))])
        {
            (int all, int explained) = await CompareAsync(seed, differences);
            (asked, accepted) = (asked + all, accepted + explained);
        }

        output.WriteLine($"{asked} questions to each of three servers, {accepted} explained differences");
        Assert.True(asked >= QuestionsMin, $"{asked} questions");
        string shown = string.Join('\n', differences.Take(30));
        Assert.True(differences.Count == 0, $"{differences.Count} of {asked}:\n{shown}");
    }

    private static async Task<(int Asked, int Accepted)> CompareAsync(int seed, List<string> differences)
    {
        using var bed = new Bed("fltdnsk");
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-agree").FullName;
        var zone = new GeneratedZone(seed);
        File.WriteAllText(Path.Combine(folder, "zone"), zone.Text);
        ReferenceServers.StartKnot(bed, folder);
        ReferenceServers.StartNsd(bed, folder);
        var table = new Snapshot<DnsTable>(DnsTable.Create(
            1, [DnsTestBed.Load(GeneratedZone.Origin, zone.Text)], RegionMap.Empty, SteeringTable.Empty, ""));
        var options = new DnsServerOptions { Listen = [ReferenceServers.Ours], RateLimit = null };
        await using var server = new DnsServer(options, table);
        NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
        {
            server.Start();
            return 0;
        });
        using UdpClient client = NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
            new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)));
        await ReferenceServers.UntilServesAsync(client, ReferenceServers.Knot, Path.Combine(folder, "knot.log"));
        await ReferenceServers.UntilServesAsync(client, ReferenceServers.Nsd, Path.Combine(folder, "nsd.log"));

        (int asked, int accepted) = (0, 0);
        foreach (string name in zone.Names())
        {
            foreach (string type in Types)
            {
                RecordType number = type == "ANY" ? RecordType.Any
                    : RecordTypes.TryParse(type, out RecordType parsed) ? parsed : throw new ArgumentException(type);
                byte[] query = DnsTestBed.Query(name, number, 1232);
                Reply ours = await ReferenceServers.AskAsync(client, ReferenceServers.Ours, query);
                asked++;
                foreach ((string who, IPEndPoint where) in ((string, IPEndPoint)[])[
                    ("knot", ReferenceServers.Knot), ("nsd", ReferenceServers.Nsd)])
                {
                    Reply theirs = await ReferenceServers.AskAsync(client, where, query);
                    if (Text(theirs) == Text(ours)) continue;
                    if (AcceptedDifferences.Explain(who, type, ours, theirs) is not null) accepted++;
                    else differences.Add($"seed {seed} {name} {type}\n {who}: {Text(theirs)}\n ours: {Text(ours)}");
                }
            }
        }

        Directory.Delete(folder, recursive: true);
        return (asked, accepted);
    }

    internal static string Text(Reply reply) =>
        $"{reply.Rcode} aa={reply.Authoritative} tc={reply.Truncated} [{Sorted(reply.Answers)}] "
        + $"[{Sorted(reply.Authorities)}] [{Sorted(reply.Additionals)}]";

    internal static string Sorted(IEnumerable<string> records) =>
        string.Join(", ", records.Select(record => record.ToLowerInvariant()).Distinct().Order());
}

/// <summary>Where we answer otherwise than another server, and why: one line each.</summary>
internal static class AcceptedDifferences
{
    private static readonly (string Who, string Why, Func<string, Reply, Reply, bool> Holds)[] All =
    [
        ("knot nsd", "RFC 8482 §4.1: which set answers ANY is each server's choice",
            (type, ours, theirs) => type == "ANY" && SameCode(ours, theirs)
                && (ours.Answers.Count > 0) == (theirs.Answers.Count > 0)),
        ("nsd", "it sends no additional records in minimal responses, referrals apart",
            (_, ours, theirs) => ours.Authoritative && Same(ours, theirs, additionals: false)
                && theirs.Additionals.Count == 0),
        ("knot nsd", "RFC 6672 §3.2: how far a chain of DNAMEs that grows is followed is each server's choice",
            (_, ours, theirs) => Dnames(ours) == 2 && Dnames(theirs) == 2 && ours.Answers.Count == 14
                && theirs.Answers.Count > 6 && ours.Rcode is Rcode.NoError or Rcode.YxDomain),
        ("named", "RFC 6672 §3.2: the same; named 9.18 gives the chain up with SERVFAIL",
            (_, ours, theirs) => Dnames(ours) == 2 && Dnames(theirs) == 2 && ours.Answers.Count == 14
                && theirs.Answers.Count > 6 && theirs.Rcode is Rcode.ServFail),
        ("named", "RFC 1034 §3.6.2: a loop of aliases is the zone's error; named 9.18 says SERVFAIL beside the loop",
            (_, ours, theirs) => ours.Rcode == Rcode.NoError && theirs.Rcode == Rcode.ServFail
                && ours.Answers.Count == 2 && Sorted(ours.Answers) == Sorted(theirs.Answers)),
        ("knot", "RFC 6672 §2.2: a name that grows too long is YXDOMAIN; Knot 3.2.6 says NXDOMAIN",
            (_, ours, theirs) => ours.Rcode == Rcode.YxDomain && theirs.Rcode == Rcode.NxDomain
                && Sorted(ours.Answers) == Sorted(theirs.Answers)),
        ("knot", "RFC 4592 §3.3: the address of a wildcard goes along in the name of the target; Knot 3.2.6 sends '*'",
            (type, ours, theirs) => type is "HTTPS" or "SVCB" && Same(ours, theirs, additionals: false)
                && theirs.Additionals.Exists(record => record.StartsWith("*.", StringComparison.Ordinal))
                && ours.Additionals.Count == theirs.Additionals.Count),
        ("knot", "RFC 1034 §4.2.1: what a wildcard below a cut would say is the child's; Knot 3.2.6 sends its address",
            (type, ours, theirs) => type is "MX" or "SRV" && Same(ours, theirs, additionals: false)
                && ours.Additionals.Count == 0 && theirs.Additionals.Count == 1
                && theirs.Additionals[0].StartsWith("s.", StringComparison.Ordinal)),
        ("knot nsd", "RFC 9460 §4.1: we send the addresses of a service's target along, they do not",
            (type, ours, theirs) => type is "HTTPS" or "SVCB" && Same(ours, theirs, additionals: false)
                && theirs.Additionals.Count == 0),
    ];

    /// <summary>The reason, or null when the difference is not accepted.</summary>
    public static string? Explain(string who, string type, Reply ours, Reply theirs) => All
        .Where(rule => rule.Who.Contains(who) && rule.Holds(type, ours, theirs)).Select(rule => rule.Why)
        .FirstOrDefault();

    private static bool Same(Reply ours, Reply theirs, bool additionals) =>
        SameCode(ours, theirs) && Sorted(ours.Answers) == Sorted(theirs.Answers)
        && Sorted(ours.Authorities) == Sorted(theirs.Authorities)
        && (!additionals || Sorted(ours.Additionals) == Sorted(theirs.Additionals));

    private static int Dnames(Reply reply) =>
        reply.Answers.Where(record => record.Contains(" DNAME ")).Distinct().Count();

    private static string Sorted(IEnumerable<string> records) => AgreementTests.Sorted(records);

    private static bool SameCode(Reply ours, Reply theirs) =>
        ours.Rcode == theirs.Rcode && ours.Authoritative == theirs.Authoritative;
}
