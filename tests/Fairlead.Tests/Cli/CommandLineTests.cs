using Fairlead.Lab;

namespace Fairlead.Tests.Cli;

/// <summary>The built binary as a shell sees it: exit codes, and never a stack trace.</summary>
public sealed class CommandLineTests : IDisposable
{
    // artifacts/bin/Fairlead.Tests/CONFIGURATION: the binary of the same configuration stands beside it.
    private static readonly string Program = Path.Combine(Fixture.Repository, "artifacts", "bin", "Fairlead",
        Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/')), "fairlead");

    private static readonly string Fleet = Path.Combine(Fixture.Repository, "examples", "geodns.yaml");
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-cli").FullName;

    public static TheoryData<int, string, string> Calls => new()
    {
        { 64, "", "Required command" },
        { 64, "fly", "fly" },
        { 64, "node", "--pop" },
        { 64, "status --output xml", "xml" },
        { 64, "check", "Required argument" },
        { 64, "node --fleet {fleet} --pop heer --node ns1", "unknown pop \"heer\"" },
        { 64, "node --fleet {fleet} --pop here --node ns2", "pop here has no node \"ns2\"" },
        { 64, "router-config bird --fleet {fleet} --pop here --router r1", "pop here has no router \"r1\"" },
        { 64, "drain lon --for soon --control {folder}/none", "--for, --in and --within expect a time" },
        { 64, "lab run nowhere", "there is no lab/scenarios/nowhere.scn" },
        { 65, "check {folder}/missing.yaml", "cannot be read" },
        { 65, "check {folder}", "cannot be read" },
        { 65, "check {folder}/broken.yaml", "broken.yaml:2:1: a fleet has no key \"cats\"" },
        { 65, "check {folder}/binary", "binary:1:" },
        { 65, "check {folder}/twice.yaml", "steered twice" },
        { 65, "check {folder}/host.yaml", "host.yaml:" },
        { 65, "node --fleet {folder}/broken.yaml --pop here --node ns1", "cats" },
        { 65, "router-config bird --fleet {folder}/broken.yaml --pop here --router r1", "cats" },
        { 65, "lab run {folder}/broken.scn", "broken.scn:1:1: " },
        { 69, "status --control {folder}/none.sock", "no node answers there" },
        { 69, "drain lon --control {folder}/none.sock", "no node answers there" },
        { 69, "undrain lon --control {folder}/none.sock", "no node answers there" },
        { 69, "announce 192.0.2.0/24 --pop lon --reason test --control {folder}/none.sock", "no node answers there" },
        { 69, "unannounce 192.0.2.0/24 --pop lon --control {folder}/none.sock", "no node answers there" },
        { 69, "status --control {folder}/broken.yaml", "no node answers there" },
        { 0, "check {fleet}", "geodns: no fault (pops: 2, services: 1, zones: 1)" },
        { 0, "check {announcer}", "announcer: no fault" },
        { 0, "check {cities}", "three-cities: no fault" },
        { 0, "schema", "" },
        { 0, "--version", "" },
    };

    [Theory]
    [MemberData(nameof(Calls))]
    public void Every_fault_has_its_exit_code_and_a_line_that_says_it(int exit, string arguments, string says)
    {
        string beside = Path.GetDirectoryName(Fleet)!;
        string good = File.ReadAllText(Fleet)
            .Replace("places.csv", Path.Combine(beside, "places.csv"), StringComparison.Ordinal)
            .Replace("zones/", Path.Combine(beside, "zones/"), StringComparison.Ordinal);
        Write("broken.yaml", "fleet: x\ncats: 7\n");
        Write("broken.scn", "feed the cats\n");
        Write("twice.yaml", good.Replace("steer: {www:", "steer: {WWW: {service: web, answer: backends}, www:",
            StringComparison.Ordinal));
        Write("host.yaml", good.Replace("ports: [tcp/443]",
            "ports: [tcp/443]\n    check: {kind: http, host: \"not a host\", path: no/slash}",
            StringComparison.Ordinal));
        File.WriteAllBytes(Path.Combine(folder, "binary"), [0, 255, 254, 1, 2, 3, 10, 0]);

        (int code, string output, string error) = Run(arguments);

        Assert.True(exit == code, $"exit {code}: {output}{error}");
        Assert.Contains(says, error, StringComparison.Ordinal);
        AssertNoTrace(output + error);
    }

    [Theory]
    [InlineData("")]
    [InlineData("node")]
    [InlineData("status")]
    [InlineData("check")]
    [InlineData("schema")]
    [InlineData("router-config")]
    [InlineData("router-config bird")]
    [InlineData("drain")]
    [InlineData("undrain")]
    [InlineData("drain-backend")]
    [InlineData("undrain-backend")]
    [InlineData("announce")]
    [InlineData("unannounce")]
    [InlineData("lab")]
    [InlineData("lab up")]
    [InlineData("lab down")]
    [InlineData("lab run")]
    [InlineData("lab status")]
    [InlineData("lab exec")]
    public void Every_command_explains_itself(string command)
    {
        (int code, string output, string error) = Run($"{command} --help");

        Assert.Equal((0, ""), (code, error));
        Assert.Contains("Usage:", output, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_program_reads_goes_to_standard_output_alone()
    {
        (int code, string output, _) = Run($"check {Fleet} --output json");
        Assert.Equal(0, code);
        using var report = System.Text.Json.JsonDocument.Parse(output);
        Assert.True(report.RootElement.GetProperty("ok").GetBoolean());

        using var schema = System.Text.Json.JsonDocument.Parse(Run("schema").Output);
        Assert.Equal("Fairlead fleet file", schema.RootElement.GetProperty("title").GetString());
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static void AssertNoTrace(string text)
    {
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled exception", text, StringComparison.Ordinal);
    }

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(folder, name), text);

    private (int Exit, string Output, string Error) Run(string arguments)
    {
        string root = Fixture.Repository;
        string[] words =
        [
            .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word
                .Replace("{folder}", folder, StringComparison.Ordinal)
                .Replace("{fleet}", Fleet, StringComparison.Ordinal)
                .Replace("{announcer}", Path.Combine(root, "examples", "announcer.yaml"), StringComparison.Ordinal)
                .Replace("{cities}", Path.Combine(root, "lab", "topologies", "three-cities.fleet.yaml"),
                    StringComparison.Ordinal)),
        ];
        return Command.Try(Program, TimeSpan.FromSeconds(30), null, words);
    }
}
