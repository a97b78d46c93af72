using System.Net;
using System.Text;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;

namespace Fairlead.InteropTests.Dns;

/// <summary>
/// Our server with a signed zone, a signed child of it and an unsigned one, in a namespace with validators beside it.
/// </summary>
internal sealed class SignedBed : IAsyncDisposable
{
    public const int Port = 5300;

    public const string ZoneText = """
        $ORIGIN example.com.
        $TTL 300
        @       SOA  ns1 hostmaster 1 3600 900 1209600 60
                NS   ns1
                MX   10 Mail
                TXT  "v=spf1 -all"
                CAA  0 issue "ca.example.net"
        ns1     A    127.0.0.1
        mail    A    192.0.2.25
        www     A    192.0.2.80
                A    192.0.2.81
        alias   CNAME www
        chain   CNAME alias
        outside CNAME www.secure
        nowhere CNAME nothing.here
        a.b.ent A    192.0.2.90
        *.wild  A    192.0.2.99
        *.wild  TXT  "any"
        there.wild MX 5 mail
        *.wcname CNAME www
        redirected DNAME wild
        _sip._tcp SRV 0 5 5060 Mail
        typed   TYPE65 \# 3 000100
        sub     NS   ns.sub
        ns.sub  A    127.0.0.1
        secure  NS   ns.secure
        ns.secure A  127.0.0.1
        """;

    private const string ChildText = """
        $TTL 300
        @       SOA  ns hostmaster 1 3600 900 1209600 60
                NS   ns
        ns      A    127.0.0.1
        www     A    192.0.2.180
        """;

    private static readonly DnsName Secure = DnsName.Parse("secure.example.com");
    private readonly Bed bed;
    private readonly DnsServer server;

    private SignedBed(Bed bed, DnsServer server, string folder)
    {
        this.bed = bed;
        this.server = server;
        Folder = folder;
    }

    public static DnsName Origin { get; } = DnsName.Parse("example.com");

    public static KeyTiming Timing { get; } = new() { TtlMax = TimeSpan.FromHours(1) };

    public string Folder { get; }

    /// <summary>Addresses, one family only, aliases below a wildcard, and an alias in one region only.</summary>
    private static SteeredName[] Steered { get; } =
    [
        Name(
            "steered", DnsTestBed.Addresses("192.0.2.100", "2001:db8::100"),
            DnsTestBed.Addresses("192.0.2.101", "2001:db8::101")),
        Name("v4only", new SteeredAnswer { A = [IPAddress.Parse("192.0.2.110")] }),
        Name("*.cdn", DnsTestBed.Alias("www.example.com"), DnsTestBed.Alias("steered.example.com")),
        Name("mixed", DnsTestBed.Addresses("192.0.2.120", "2001:db8::120"), DnsTestBed.Alias("www.example.com")),
        Name("*.any", DnsTestBed.Addresses("192.0.2.130", "2001:db8::130")),
    ];

    /// <summary>What only our own signing has: names whose answer depends on the asker.</summary>
    public static (string Name, string Type, string Says)[] SteeredQuestions { get; } =
    [
        ("steered.example.com", "A", "fully validated"), ("steered.example.com", "AAAA", "fully validated"),
        ("steered.example.com", "MX", "negative response, fully validated"),
        ("x.steered.example.com", "A", "negative response, fully validated"),
        ("steerec.example.com", "A", "negative response, fully validated"),
        ("v4only.example.com", "A", "fully validated"),
        ("v4only.example.com", "AAAA", "negative response, fully validated"),
        ("v4only.example.com", "TXT", "negative response, fully validated"),
        ("x.cdn.example.com", "A", "fully validated"), ("y.x.cdn.example.com", "AAAA", "fully validated"),
        ("x.cdn.example.com", "CNAME", "fully validated"),
        ("cdn.example.com", "A", "negative response, fully validated"),
        ("mixed.example.com", "A", "fully validated"),
        ("mixed.example.com", "TXT", "negative response, fully validated"),
        ("x.any.example.com", "A", "fully validated"), ("x.any.example.com", "AAAA", "fully validated"),
        ("x.any.example.com", "TXT", "negative response, fully validated"),
    ];

    /// <summary>Every kind of answer, and what delv says of it.</summary>
    public static (string Name, string Type, string Says)[] Questions { get; } =
    [
        ("example.com", "SOA", "fully validated"), ("example.com", "DNSKEY", "fully validated"),
        ("example.com", "MX", "fully validated"), ("example.com", "CDS", "fully validated"),
        ("example.com", "NSEC", "fully validated"), ("www.example.com", "A", "fully validated"),
        ("WWW.eXample.com", "A", "fully validated"), ("_sip._tcp.example.com", "SRV", "fully validated"),
        ("typed.example.com", "TYPE65", "fully validated"),
        ("www.example.com", "AAAA", "negative response, fully validated"),
        ("example.com", "AAAA", "negative response, fully validated"),
        ("nothing.example.com", "A", "negative response, fully validated"),
        ("deep.er.nothing.example.com", "A", "negative response, fully validated"),
        ("aaa.example.com", "A", "negative response, fully validated"),
        ("zzz.example.com", "A", "negative response, fully validated"),
        ("x.www.example.com", "A", "negative response, fully validated"),
        ("ent.example.com", "A", "negative response, fully validated"),
        ("b.ent.example.com", "TXT", "negative response, fully validated"),
        ("x.ent.example.com", "A", "negative response, fully validated"),
        ("x.wild.example.com", "A", "fully validated"), ("y.x.wild.example.com", "TXT", "fully validated"),
        ("x.wild.example.com", "AAAA", "negative response, fully validated"),
        ("*.wild.example.com", "A", "fully validated"), ("there.wild.example.com", "MX", "fully validated"),
        ("there.wild.example.com", "A", "negative response, fully validated"),
        ("wild.example.com", "A", "negative response, fully validated"),
        ("alias.example.com", "A", "fully validated"), ("chain.example.com", "A", "fully validated"),
        ("chain.example.com", "AAAA", "fully validated"),
        ("x.wcname.example.com", "A", "fully validated"),
        ("x.wcname.example.com", "AAAA", "fully validated"),
        ("nowhere.example.com", "A", "fully validated"),
        ("redirected.example.com", "DNAME", "fully validated"),
        ("there.redirected.example.com", "MX", "fully validated"),
        ("x.redirected.example.com", "A", "fully validated"),
        ("sub.example.com", "DS", "negative response, fully validated"),
        ("www.sub.example.com", "A", "unsigned answer"),
        ("secure.example.com", "DS", "fully validated"), ("www.secure.example.com", "A", "fully validated"),
        ("x.secure.example.com", "A", "negative response, fully validated"),
    ];

    /// <summary>
    /// Signs the zone's text with keys of a folder of its own, or takes what `presign` makes of the text (another
    /// master file) as it is.
    /// </summary>
    public static async Task<SignedBed> StartAsync(
        string prefix, bool steers = false, Func<SignedBed, string, string>? presign = null,
        Func<RRset, RRset>? spoil = null)
    {
        var bed = new Bed(prefix);
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-signed").FullName;
        var table = new Snapshot<DnsTable>(DnsTable.Empty);
        var server = new DnsServer(new DnsServerOptions { Listen = [new(IPAddress.Loopback, Port)] }, table);
        var signed = new SignedBed(bed, server, folder);
        try
        {
            table.Publish(signed.MakeTable(steers ? Steered : [], presign, spoil));
            NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
            {
                server.Start();
                return 0;
            });
            return signed;
        }
        catch
        {
            await signed.DisposeAsync();
            throw;
        }
    }

    public string Run(string file, params string[] arguments) => bed.Run("srv", file, arguments);

    public void Start(string log, string file, params string[] arguments) => bed.Start("srv", log, file, arguments);

    /// <summary>What delv makes of the server's answer, with the zone's key as its trust anchor.</summary>
    public string Delv(string name, string type) =>
        Run("delv", "@127.0.0.1", "-p", $"{Port}", "-a", FileOf("anchor"), "+root=example.com", name, type);

    public string FileOf(string name) => Path.Combine(Folder, name);

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        bed.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>The whole zone as others read it: every record in the form of RFC 3597 §5.</summary>
    public static string Print(Zone zone)
    {
        var text = new StringBuilder();
        void Line(RRset set, RecordType type, ReadOnlySpan<byte> rdata) => text.Append(
            $"{set.Owner} {set.TtlSeconds} IN TYPE{(ushort)type} \\# {rdata.Length} {Convert.ToHexString(rdata)}\n");
        foreach (RRset set in zone.Sets)
        {
            for (int i = 0; i < set.Count; i++) Line(set, set.Type, set[i]);
            for (int i = 0; i < set.SignatureCount; i++) Line(set, RecordType.Rrsig, set.Signature(i));
        }

        return text.ToString();
    }

    private DnsTable MakeTable(
        SteeredName[] steered, Func<SignedBed, string, string>? presign, Func<RRset, RRset>? spoil)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        var folder = new KeyFolder(FileOf("keys"));
        // Generated long ago, so that CDS is out.
        folder.Generate(Origin, KeyRole.Ksk, now.AddDays(-3), Timing);
        folder.Generate(Origin, KeyRole.Zsk, now.AddDays(-3), Timing);
        DnssecKey child = folder.Generate(Secure, KeyRole.Csk, now.AddDays(-3), Timing).Key;
        string ds = $"\nsecure DS \\# 36 {Convert.ToHexString(child.Ds())}\n";
        KeySet keys = folder.At(Origin, now)!;
        File.WriteAllText(FileOf("anchor"), "trust-anchors { example.com. static-key 257 3 13 \""
            + Convert.ToBase64String(keys.KeySigners[0].PublicKey) + "\"; };\n");
        var signer = new SetSigner(keys, new SigningOptions(), new SignatureCache(1000), now);
        Zone parent = presign is not null
            ? DnsTestBed.Load("example.com", presign(this, ZoneText + ds))
            : ZoneSigner.Sign(
                DnsTestBed.Load("example.com", ZoneText + ds), signer, steered.Select(SteeredOwner.Of)).Zone;
        var steering = new SteeringTable(steered, _ => signer);
        if (spoil is not null) parent = new Zone(Origin, parent.Sets.Select(spoil));
        File.WriteAllText(FileOf("signed.zone"), Print(parent));
        return DnsTable.Create(
            1,
            [
                parent, Signed(DnsTestBed.Load("secure.example.com", ChildText), folder.At(Secure, now)!, now),
                DnsTestBed.Load("sub.example.com", ChildText),
            ],
            DnsTestBed.Regions, steering, "node-1");
    }

    private static SteeredName Name(string label, params SteeredAnswer[] answers) => new()
    {
        Owner = DnsName.Parse($"{label}.example.com"),
        TtlSeconds = 30,
        ByRegion = [.. answers.Select(SteeredRegion.Of)],
    };

    private static Zone Signed(Zone zone, KeySet keys, DateTimeOffset now) =>
        ZoneSigner.Sign(zone, new SetSigner(keys, new SigningOptions(), new SignatureCache(1000), now), []).Zone;
}
