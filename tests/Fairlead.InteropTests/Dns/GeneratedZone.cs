using System.Text;
using Fairlead.Dns.Wire;

namespace Fairlead.InteropTests.Dns;

/// <summary>
/// A zone made by chance, with much of what is hard to answer: cuts with glue and what lies below them, wildcards and
/// names that hide from them, DNAMEs, chains and loops of CNAMEs, empty non-terminals.
/// </summary>
internal sealed class GeneratedZone
{
    public const string Origin = "example.com";

    // Few labels, so that names meet.
    private static readonly string[] Labels = ["a", "b", "c", "x", "www", "mail", "ent", "-", "zz"];

    private readonly Random random;
    private readonly StringBuilder text = new();
    private readonly List<string> owners = [];
    private readonly HashSet<string> taken = [];
    private readonly HashSet<string> redirected = [];

    public GeneratedZone(int seed)
    {
        random = new Random(seed);
        text.Append("$TTL 1h\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\n@ NS ns.example.net.\n");
        text.Append("ns1 A 192.0.2.1\nns1 AAAA 2001:db8::1\n@ MX 10 mail\n@ HTTPS 1 . alpn=h2\n@ A 192.0.2.2\n");
        foreach (string owner in (string[])["ns1", "mail", "*.wild", "here.wild", "below.here.wild"]) owners.Add(owner);
        text.Append("mail A 192.0.2.3\n*.wild A 192.0.2.4\n*.wild MX 5 mail\nhere.wild TXT \"hides\"\n");
        text.Append("below.here.wild A 192.0.2.5\n");
        taken.UnionWith(owners);
        for (int i = 0; i < 60; i++) AddName();
        // What a random tree has too seldom.
        Add("deep.cut", "NS ns.deep.cut", "ns.deep.cut A 192.0.2.9", "deep.cut DS 1 13 2 AA");
        Add("intocut", "CNAME host.deep.cut");
        Add("dn", "DNAME wild");
        Add("todn", "CNAME p.q.dn");
        Add("dnloop", "DNAME x.dnloop2");
        Add("dnloop2", "DNAME dnloop");
        Add("dnlong", $"DNAME {new string('l', 60)}.{new string('m', 60)}.{new string('n', 60)}");
        Add("loop1", "CNAME loop2");
        Add("loop2", "CNAME loop1");
        Add("*.wc", "CNAME q.wild");
        Add("*.wcout", "CNAME www.example.org.");
        Add("mxwild", "MX 10 m.wild", "mxwild MX 20 nothing", "mxwild MX 30 mail");
        Add("svc", "SVCB 1 mail port=53", "svc HTTPS 0 mail");
    }

    public string Text => text.ToString();

    /// <summary>Names in, around and outside the zone.</summary>
    public IEnumerable<string> Names()
    {
        var names = new HashSet<string>();
        foreach (DnsName owner in owners.Select(owner => DnsName.Parse($"{owner}.{Origin}")))
        {
            names.Add(owner.Prepend("Below").ToString());
            names.Add(owner.Prepend("two").Prepend("more").ToString());
            names.Add(owner.Prepend("*").ToString());
            for (DnsName name = owner; name.LabelCount > 1; name = name.Parent)
            {
                names.Add(name.ToString());
                names.Add(name.Prepend("beside").ToString());
            }
        }

        string label = new('o', 60);
        names.Add($"{label}.dnlong.{Origin}.");
        names.Add($"{label}.{label}.dnlong.{Origin}.");
        names.Add("example.org.");
        names.Add(".");
        return names;
    }

    private void Add(string owner, params string[] records)
    {
        text.Append(owner).Append(' ').AppendJoin('\n', records).Append('\n');
        owners.Add(owner);
        taken.Add(owner);
    }

    private string Label() => Labels[random.Next(Labels.Length)];

    private void AddName()
    {
        string owner = random.Next(3) switch
        {
            0 => Label(),
            1 => $"{Label()}.{Label()}",
            _ => $"{Label()}.{owners[random.Next(owners.Count)].TrimStart('*', '.')}",
        };
        bool wildcard = random.Next(6) == 0;
        if (wildcard) owner = $"*.{owner}";
        // What stands below a DNAME is refused by some, and owners that meet are left as they are.
        if (!taken.Add(owner) || redirected.Any(name => owner.EndsWith($".{name}", StringComparison.Ordinal))) return;
        string target = random.Next(4) == 0 ? "www.example.org." : owners[random.Next(owners.Count)].Replace("*", "s");
        int kind = random.Next(wildcard ? 6 : 10);
        string[] records = kind switch
        {
            0 => [$"CNAME {target}"],
            1 => ["A 192.0.2.10", $"{owner} AAAA 2001:db8::10"],
            2 => [$"MX 10 {target}"],
            3 => ["TXT \"text\" \"more\"", $"{owner} CAA 0 issue \"ca.example.net\""],
            4 => [$"SRV 0 5 80 {target}", $"{owner} A 192.0.2.11"],
            5 => [$"HTTPS 1 {target} alpn=h2,h3", $"{owner} A 192.0.2.12"],
            6 => [$"NS ns.{owner}", $"ns.{owner} A 192.0.2.13", $"{owner} NS ns.example.net."],
            7 => ["NS ns.example.net.", $"{owner} DS 12345 13 2 AABB"],
            8 when !owners.Exists(other => other.EndsWith($".{owner}", StringComparison.Ordinal)) =>
                [$"DNAME {target}"],
            _ => [$"PTR {target}", $"{owner} NAPTR 1 1 \"u\" \"s\" \"\" {target}"],
        };
        if (records[0].StartsWith("DNAME", StringComparison.Ordinal)) redirected.Add(owner);
        Add(owner, records);
    }
}
