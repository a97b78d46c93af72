using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.InteropTests.Dns;

/// <summary>What validators say of our answers: delv of BIND, Unbound, the checkers of ldns, Knot and BIND.</summary>
public class DnssecTests
{
    // Printed in the form of RFC 3597: what is tested is how they are served, not how they are read.
    private static readonly string[] Unknown =
        ["RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "DS", "CDS", "CDNSKEY", "HTTPS"];

    [InteropFact("delv", "ip")]
    public async Task Delv_validates_every_kind_of_answer()
    {
        await using SignedBed bed = await SignedBed.StartAsync("fltsec1", steers: true);
        Validates(bed, SignedBed.Questions);
        Validates(bed, SignedBed.SteeredQuestions);
    }

    [InteropFact("ldns-verify-zone", "kzonecheck", "dnssec-verify", "ip")]
    public async Task The_checkers_of_others_accept_the_zone_that_we_signed()
    {
        await using SignedBed bed = await SignedBed.StartAsync("fltsec2");
        string zone = bed.FileOf("signed.zone");
        Assert.Contains("Zone is verified and complete", bed.Run("ldns-verify-zone", zone));
        bed.Run("kzonecheck", "-o", "example.com", "-d", "on", zone);
        bed.Run("dnssec-verify", "-o", "example.com", zone);
    }

    [InteropFact("unbound", "kdig", "ip")]
    public async Task Unbound_says_authentic_to_every_kind_of_answer()
    {
        await using SignedBed bed = await SignedBed.StartAsync("fltsec3", steers: true);
        await StartUnboundAsync(bed);
        foreach ((string name, string type, string says) in
            (IEnumerable<(string, string, string)>)[.. SignedBed.Questions, .. SignedBed.SteeredQuestions])
        {
            string answer = Resolve(bed, name, type);
            bool denied = says.StartsWith("negative", StringComparison.Ordinal);
            string seen = $"{name} {type}\n{answer}\n{File.ReadAllText(bed.FileOf("unbound.log"))}";
            Assert.False(answer.Contains("SERVFAIL", StringComparison.Ordinal), seen);
            Assert.True(answer.Contains(" ad;", StringComparison.Ordinal) == (says != "unsigned answer"), seen);
            Assert.True(denied || !answer.Contains("ANSWER: 0", StringComparison.Ordinal), answer);
        }
    }

    [InteropFact("unbound", "kdig", "ip")]
    public async Task Unbound_refuses_a_spoiled_signature_and_a_spoiled_denial()
    {
        await using SignedBed bed = await SignedBed.StartAsync("fltsec4", spoil: set =>
            set.Type == RecordType.A && set.Owner == DnsName.Parse("www.example.com")
            || (set.Type == RecordType.Nsec && set.Owner != SignedBed.Origin) ? Spoiled(set) : set);
        await StartUnboundAsync(bed);
        Assert.Contains(" ad;", Resolve(bed, "mail.example.com", "A"));
        Assert.Contains("SERVFAIL", Resolve(bed, "www.example.com", "A"));
        Assert.Contains("SERVFAIL", Resolve(bed, "nothing.example.com", "A"));
        Assert.Contains("SERVFAIL", Resolve(bed, "x.wild.example.com", "A"));
    }

    [InteropFact("delv", "dnssec-signzone", "ldns-read-zone", "ip")]
    public async Task A_zone_that_bind_signed_with_our_keys_is_served_as_it_is()
    {
        await using SignedBed bed = await SignedBed.StartAsync(
            "fltsec5", presign: (bed, text) => BindSigned(bed, text));
        Validates(bed, SignedBed.Questions, "CDS");
    }

    [InteropFact("delv", "dnssec-signzone", "ldns-read-zone", "ip")]
    public async Task A_zone_that_bind_signed_with_nsec3_is_served_as_it_is()
    {
        await using SignedBed bed = await SignedBed.StartAsync(
            "fltsec6", presign: (bed, text) => BindSigned(bed, text, "-3", "aabbccdd", "-H", "3"));
        Validates(bed, SignedBed.Questions, "CDS", "NSEC");
    }

    [InteropFact("delv", "dnssec-signzone", "ldns-read-zone", "ip")]
    public async Task A_zone_that_bind_signed_with_opt_out_is_served_as_it_is()
    {
        await using SignedBed bed = await SignedBed.StartAsync(
            "fltsec7", presign: (bed, text) => BindSigned(bed, text, "-3", "-", "-H", "0", "-A"));
        // RFC 5155 §9.2: opt-out leaves open whether an unsigned child stands where the wildcard answers.
        string[] open = ["x.wild.example.com", "y.x.wild.example.com", "x.wcname.example.com"];
        Validates(
            bed,
            [
                .. SignedBed.Questions.Select(one => open.Contains(one.Name) && one.Says == "fully validated"
                    ? (one.Name, one.Type, "unsigned answer")
                    : one),
            ],
            "CDS", "NSEC");
    }

    [InteropFact("kdig", "ip")]
    public async Task Kdig_sees_signatures_only_when_it_asks_for_them()
    {
        await using SignedBed bed = await SignedBed.StartAsync("fltsec8", steers: true);
        string Dig(params string[] arguments) =>
            bed.Run("kdig", ["@127.0.0.1", "-p", $"{SignedBed.Port}", .. arguments]);
        string with = Dig("+dnssec", "www.example.com", "A"), without = Dig("www.example.com", "A");
        Assert.Contains("RRSIG", with);
        Assert.Contains("do", with);
        Assert.DoesNotContain(" ad;", with);
        Assert.DoesNotContain("RRSIG", without);
        Assert.DoesNotContain("NSEC", Dig("nothing.example.com", "A"));
        Assert.Contains("RRSIG", Dig("www.example.com", "RRSIG"));
        Assert.Contains("NSEC", Dig("www.example.com", "NSEC"));
        // A denial with all its proofs is larger than the least that EDNS has: it comes by TCP.
        string small = Dig("+dnssec", "+bufsize=512", "x.nothing.example.com", "A");
        Assert.Contains("(TCP)", small);
        Assert.Contains("NSEC", small);
    }

    private static void Validates(
        SignedBed bed, (string Name, string Type, string Says)[] questions, params string[] except)
    {
        var wrong = new List<string>();
        foreach ((string name, string type, string says) in questions)
        {
            if (except.Contains(type)) continue;
            string answer = bed.Delv(name, type);
            if (!answer.Contains($"; {says}", StringComparison.Ordinal)) wrong.Add($"{name} {type}: {says}\n{answer}");
        }

        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    private static RRset Spoiled(RRset set)
    {
        byte[] signature = set.Signature(0).ToArray();
        signature[^1] ^= 1;
        return set.WithSignatures([signature]);
    }

    private static string BindSigned(SignedBed bed, string text, params string[] arguments)
    {
        File.WriteAllText(bed.FileOf("plain.zone"), text);
        bed.Run("dnssec-signzone", ["-S", "-K", bed.FileOf("keys"), "-o", "example.com", "-O", "full",
            "-f", bed.FileOf("bind.zone"), .. arguments, bed.FileOf("plain.zone")]);
        return bed.Run(
            "ldns-read-zone", [.. Unknown.SelectMany(type => (string[])["-u", type]), bed.FileOf("bind.zone")]);
    }

    private static string Resolve(SignedBed bed, string name, string type) =>
        bed.Run("kdig", "@127.0.0.1", "-p", "5301", "+dnssec", "+timeout=5", name, type);

    private static async Task StartUnboundAsync(SignedBed bed)
    {
        string key = File.ReadAllText(bed.FileOf("anchor")).Split('"')[1];
        File.WriteAllText(bed.FileOf("unbound.conf"), $"""
            server:
                interface: 127.0.0.1
                port: 5301
                do-daemonize: no
                username: ""
                chroot: ""
                directory: "{bed.Folder}"
                pidfile: ""
                use-syslog: no
                do-not-query-localhost: no
                do-ip6: no
                module-config: "validator iterator"
                trust-anchor: "example.com. DNSKEY 257 3 13 {key}"
                val-log-level: 2
            remote-control:
                control-enable: no
            stub-zone:
                name: "example.com"
                stub-addr: 127.0.0.1@{SignedBed.Port}
            stub-zone:
                name: "sub.example.com"
                stub-addr: 127.0.0.1@{SignedBed.Port}
            stub-zone:
                name: "secure.example.com"
                stub-addr: 127.0.0.1@{SignedBed.Port}

            """);
        bed.Start(bed.FileOf("unbound.log"), "unbound", "-d", "-c", bed.FileOf("unbound.conf"));
        for (int tries = 0; tries < 50; tries++)
        {
            try
            {
                if (Resolve(bed, "ns1.example.com", "A").Contains("NOERROR", StringComparison.Ordinal)) return;
            }
            catch (IOException)
            {
                // It does not listen yet.
            }

            await Task.Delay(100);
        }

        Assert.Fail(File.ReadAllText(bed.FileOf("unbound.log")));
    }
}
