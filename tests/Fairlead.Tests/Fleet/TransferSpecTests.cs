using System.Net;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;

namespace Fairlead.Tests.Fleet;

public class TransferSpecTests
{
    private const string Dns = """
        dns:
          keys:
            xfr.example.: {algorithm: hmac-sha256, secret: c2VjcmV0}
            Other.Example: {algorithm: hmac-sha512, secretFile: other.key}
          transfer:
            - {zone: example.com, from: [192.0.2.0/24], keys: [xfr.example.]}
            - {keys: [XFR.example, other.example]}
          notify:
            - {zone: example.com, to: "192.0.2.5:53", key: xfr.example., source: 192.0.2.1}
            - {to: "[2001:db8::5]:5353"}
        """;

    private const string Net =
        "\n  example.net: {primaries: [{address: \"192.0.2.1:53\", key: xfr.example., source: 192.0.2.2}]}";

    private static string Text => $"{FleetFiles.Good.TrimEnd()}{Net}\n{Dns}\n";

    public static TheoryData<string, string, int, int, string> BrokenFiles => new()
    {
        { "algorithm: hmac-sha256", "algorithm: hmac-sha265", 28, 31,
            "unknown word \"hmac-sha265\"; did you mean \"hmac-sha256\"?" },
        { "algorithm: hmac-sha256, ", "", 28, 19, "expected the key \"algorithm\"" },
        { "secret: c2VjcmV0", "secret: c2VjcmV", 28, 52,
            "expected the secret in base64, found something else (it is not shown here)" },
        { ", secret: c2VjcmV0", "", 28, 5, "expected one of the keys \"secret\" and \"secretFile\"" },
        { "secret: c2VjcmV0", "secret: c2VjcmV0, secretFile: x", 28, 5,
            "expected one of the keys \"secret\" and \"secretFile\"" },
        { "    Other.Example:", "    XFR.example:", 29, 5, "key XFR.example. is there already, as \"xfr.example.\"" },
        { "from: [192.0.2.0/24], keys: [xfr.example.]", "from: [192.0.2.0/24], keys: [xfr.exmaple.]", 31, 56,
            "unknown key \"xfr.exmaple.\"; did you mean \"xfr.example.\"? (known: xfr.example., Other.Example)" },
        { ", from: [192.0.2.0/24], keys: [xfr.example.]", "", 31, 7,
            "expected \"from\", \"keys\" or both: else anybody could take the zone" },
        { "from: [192.0.2.0/24]", "from: [192.0.2.1/24]", 31, 34, "expected a prefix such as 192.0.2.0/24" },
        { "from: [192.0.2.0/24]", "from: []", 31, 33, "expected at least one entry" },
        { "zone: example.com, from", "zone: a..b, from", 31, 14, "expected a domain name such as example.com" },
        { "to: \"192.0.2.5:53\"", "to: 192.0.2.5", 34, 31, "expected an address and port such as 127.0.0.1:53" },
        { "key: xfr.example., source: 192.0.2.1}", "key: xfr, source: 192.0.2.1}", 34, 52, "unknown key \"xfr.\"" },
        { "source: 192.0.2.1}", "source: \"2001:db8::1\"}", 34, 74, "they are of different families" },
        { "key: xfr.example., source: 192.0.2.2", "key: xfr2.example., source: 192.0.2.2", 25, 60,
            "unknown key \"xfr2.example.\"; did you mean \"xfr.example.\"?" },
        { "source: 192.0.2.2", "source: \"::1\"", 25, 82, "they are of different families" },
        { "example.net: {", "example.net: {file: example.net.zone, ", 25, 23,
            "\"file\" and \"primaries\" exclude each other" },
        { "source: 192.0.2.2}]}", "source: 192.0.2.2}], steer: {www: {service: web}}}", 25, 102,
            "names of a secondary zone cannot be steered" },
        { "{primaries: [{address: \"192.0.2.1:53\", key: xfr.example., source: 192.0.2.2}]}", "{}", 25, 3,
            "expected the key \"file\": the master file (or \"primaries\", or \"zones.dir\")" },
        { "  keys:\n", "  keyz:\n", 27, 3, "dns has no key \"keyz\"; did you mean \"keys\"?" },
    };

    [Fact]
    public void Keys_transfers_notifies_and_primaries_are_read()
    {
        FleetSpec fleet = FleetFiles.Read(Text);
        DnsName xfr = DnsName.Parse("xfr.example");

        Assert.Equal(xfr, fleet.Dns.Keys[0].KeyName);
        Assert.Equal(["xfr.example.", "Other.Example."], fleet.Dns.Keys.Select(key => key.KeyName.ToString()));
        Assert.Equal(
            [TsigAlgorithm.HmacSha256, TsigAlgorithm.HmacSha512], fleet.Dns.Keys.Select(key => key.Algorithm));
        Assert.Equal(("c2VjcmV0", "other.key"), (fleet.Dns.Keys[0].Secret, fleet.Dns.Keys[1].SecretFile));
        Assert.Equal(DnsName.Parse("example.com"), fleet.Dns.Transfer[0].Zone);
        Assert.True(fleet.Dns.Transfer[1].Keys[0] == xfr && fleet.Dns.Transfer[1].Keys[1] == fleet.Dns.Keys[1].KeyName);
        Assert.Null(fleet.Dns.Transfer[1].Zone);
        Assert.Equal(
            (IPEndPoint.Parse("192.0.2.5:53"), xfr, IPAddress.Parse("192.0.2.1")),
            (fleet.Dns.Notify[0].To, fleet.Dns.Notify[0].Key, fleet.Dns.Notify[0].Source));
        Assert.Equal((null, null), (fleet.Dns.Notify[1].Key, fleet.Dns.Notify[1].Source));
        ZoneSpec secondary = fleet.Zones[1];
        Assert.True(secondary.IsSecondary);
        Assert.Equal(
            (IPEndPoint.Parse("192.0.2.1:53"), xfr, IPAddress.Parse("192.0.2.2")),
            (secondary.Primaries[0].Address, secondary.Primaries[0].Key, secondary.Primaries[0].Source));
        Assert.False(fleet.Zones[0].IsSecondary);
    }

    [Theory]
    [MemberData(nameof(BrokenFiles))]
    public void A_fault_is_named_with_its_line_and_column(
        string right, string wrong, int line, int column, string message)
    {
        Assert.Contains(right, Text, StringComparison.Ordinal);
        string text = Text.Replace(right, wrong, StringComparison.Ordinal);
        Assert.Null(FleetReader.Read("fleet.yaml", text, out IReadOnlyList<SpecProblem> problems));
        Assert.True(
            problems.Any(p => (p.Line, p.Column) == (line, column)
                && p.Message.Contains(message, StringComparison.Ordinal)), string.Join('\n', problems));
        Assert.DoesNotContain(problems, problem => problem.Message.Contains("c2Vj", StringComparison.Ordinal));
    }

    [Fact]
    public void To_tell_somebody_who_may_not_come_is_a_fault()
    {
        string text = Text.Replace("    - {keys: [XFR.example, other.example]}\n", "", StringComparison.Ordinal)
            .Replace("y:\n    - {zone: example.com", "y:\n    - {zone: example.net", StringComparison.Ordinal);
        Assert.Null(FleetReader.Read("fleet.yaml", text, out IReadOnlyList<SpecProblem> problems));
        Assert.Contains("no rule of \"dns.transfer\" lets anybody take example.net.", Assert.Single(problems).Message);
    }
}
