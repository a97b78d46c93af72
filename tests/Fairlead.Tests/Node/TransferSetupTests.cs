using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Node;

namespace Fairlead.Tests.Node;

/// <summary>What only the files beside the fleet file show.</summary>
public sealed class TransferSetupTests : IDisposable
{
    private const string Fleet = """
        fleet: small
        pops: {here: {nodes: {n1: {addresses: [198.51.100.2]}}}}
        dns:
          keys: {xfr.example.: {algorithm: hmac-sha256, secretFile: xfr.key}}
          transfer: [{zone: example.com, keys: [xfr.example]}]
          notify: [{to: "192.0.2.5:53", key: xfr.example}]
        zones:
          example.com: {file: example.com.zone}
          example.net: {primaries: [{address: "192.0.2.1:53", key: xfr.example}]}
        """;

    private const string Zone = "$TTL 300\n@ SOA ns1 h 1 3600 900 1209600 60\n NS ns1\nns1 A 192.0.2.1\n";
    private const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-setup").FullName;

    public TransferSetupTests()
    {
        Write("example.com.zone", Zone);
        Write("xfr.key", "c2VjcmV0\n");
        File.SetUnixFileMode(InFolder("xfr.key"), OwnersOnly);
    }

    private string FleetFile => InFolder("fleet.yaml");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_secret_comes_from_its_file_and_a_fleet_may_be_of_secondaries_alone()
    {
        LoadedFleet fleet = Read(Fleet);
        TsigKey key = Assert.Single(fleet.Transfers.Options.Keys);
        Assert.Equal((DnsName.Parse("xfr.example"), TsigAlgorithm.HmacSha256), (key.Name, key.Algorithm));
        Assert.Equal(DnsName.Parse("example.net"), Assert.Single(fleet.Transfers.Secondaries).Origin);
        Assert.Empty(fleet.Transfers.Options.Problems());
        Assert.Contains(InFolder("xfr.key"), fleet.Files.Keys);

        LoadedFleet alone = Read(Fleet
            .Replace("  example.com: {file: example.com.zone}\n", "", StringComparison.Ordinal)
            .Replace("zone: example.com", "zone: example.net", StringComparison.Ordinal));
        Assert.Empty(alone.Zones);
        Assert.True(alone.HasZones);
    }

    [Fact]
    public void A_secret_file_that_is_open_broken_or_missing_is_a_fault_that_does_not_show_it()
    {
        File.SetUnixFileMode(InFolder("xfr.key"), OwnersOnly | UnixFileMode.OtherRead);
        AssertFault(Fleet, 4, 61, "others than its owner may use it (mode 604): chmod 600 it");
        File.SetUnixFileMode(InFolder("xfr.key"), OwnersOnly);
        Write("xfr.key", "c2VjcmV0!");
        AssertFault(Fleet, 4, 61, "expected the secret in base64, found something else (it is not shown here)");
        Write("xfr.key", "\n");
        AssertFault(Fleet, 4, 61, "expected the secret in base64");
        File.Delete(InFolder("xfr.key"));
        AssertFault(Fleet, 4, 61, "cannot be read");
    }

    [Fact]
    public void Zones_that_do_not_fit_together_are_faults()
    {
        AssertFault(Fleet.Replace("zone: example.com,", "zone: exmaple.com,", StringComparison.Ordinal), 5, 21,
            "unknown zone \"exmaple.com.\"; did you mean \"example.com.\"?");
        AssertFault(Fleet.Replace("example.net:", "Example.COM.:", StringComparison.Ordinal), 9, 3,
            "zone Example.COM. is there twice");
        Directory.CreateDirectory(InFolder("zones"));
        Write("zones/example.net.zone", Zone);
        AssertFault(Fleet.Replace("zones:\n", "zones:\n  dir: zones\n", StringComparison.Ordinal), 8, 3,
            "example.net. is a secondary zone, which comes from its primary: move it away");
        // Steered in one zone by name, but it lies in the other.
        AssertFault(Fleet.Replace(
            "  example.com: {file: example.com.zone}\n  example.net:",
            "  example.com: {file: example.com.zone, steer: {who.sub: {reflect: true}}}\n  sub.example.com:",
            StringComparison.Ordinal), 8, 3, "who.sub.example.com. is steered, but lies in the secondary zone");
    }

    [Fact]
    public void A_zone_is_read_again_when_a_file_that_it_includes_changes()
    {
        Write("example.com.zone", Zone + "$INCLUDE more.zone\n");
        Write("more.zone", "a A 192.0.2.1\n$INCLUDE deep/end.zone\n");
        Directory.CreateDirectory(InFolder("deep"));
        Write("deep/end.zone", "b A 192.0.2.2\n");
        LoadedFleet first = Read(Fleet);
        foreach (string included in (string[])["more.zone", "deep/end.zone"])
            Assert.Equal(FileStamp.Of(InFolder(included)), first.Files[InFolder(included)]);

        LoadedFleet same = first.ReadFilesAgain(FleetFile, out _, TimeProvider.System.GetUtcNow())!;
        Assert.Same(first.ZoneFiles[0], same.ZoneFiles[0]);
        Write("deep/end.zone", "b A 192.0.2.2\nc A 192.0.2.3\n");
        Assert.NotEqual(FileStamp.Of(InFolder("deep/end.zone")), same.Files[InFolder("deep/end.zone")]);
        LoadedFleet next = same.ReadFilesAgain(FleetFile, out _, TimeProvider.System.GetUtcNow())!;
        Assert.NotNull(next.Zones.Single().Find(DnsName.Parse("c.example.com"), RecordType.A));

        File.Delete(InFolder("deep/end.zone"));
        Assert.Null(next.ReadFilesAgain(
            FleetFile, out IReadOnlyList<SpecProblem> problems, TimeProvider.System.GetUtcNow()));
        Assert.StartsWith(InFolder("more.zone") + ":2:10: ", Assert.Single(problems).ToString());
    }

    private LoadedFleet Read(string text)
    {
        Write("fleet.yaml", text);
        LoadedFleet? fleet = LoadedFleet.Read(FleetFile, out IReadOnlyList<SpecProblem> problems);
        Assert.Empty(problems);
        return fleet!;
    }

    private void AssertFault(string text, int line, int column, string message)
    {
        Write("fleet.yaml", text);
        Assert.Null(LoadedFleet.Read(FleetFile, out IReadOnlyList<SpecProblem> problems));
        Assert.True(
            problems.Any(p => (p.Line, p.Column) == (line, column)
                && p.Message.Contains(message, StringComparison.Ordinal)), string.Join('\n', problems));
        Assert.DoesNotContain(problems, problem => problem.Message.Contains("c2Vj", StringComparison.Ordinal));
    }

    private string InFolder(string name) => Path.Combine(folder, name);

    private void Write(string name, string text) => File.WriteAllText(InFolder(name), text);
}
