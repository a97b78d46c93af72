using System.Diagnostics;
using System.Text.Json;
using Xunit.Abstractions;

namespace Fairlead.LabTests;

/// <summary>
/// The scenarios of lab/scenarios against real routers, each through the command that a user types. One lab at a time:
/// all tests of this project stand in this class.
/// </summary>
public class ScenarioTests(ITestOutputHelper output)
{
    [InteropFact("bird", "etcd", "etcdctl", "unbound", "ip", "ethtool")]
    public void Three_cities() => Runs("three-cities");

    [InteropFact("bird", "etcd", "etcdctl", "unbound", "ip", "ethtool")]
    public void Store_gone() => Runs("store-gone");

    [InteropFact("bird", "etcd", "etcdctl", "unbound", "ip", "ethtool")]
    public void Two_balancers() => Runs("two-balancers");

    [InteropFact("bird", "etcd", "etcdctl", "unbound", "ip", "ethtool")]
    public void A_pop_without_backends_whose_routes_stand_sends_on_to_the_next_one_and_nobody_notices()
    {
        string folder = Directory.CreateTempSubdirectory("fairlead-spill").FullName;
        try
        {
            string lab = Path.Combine(Fixture.Repository, "lab");
            foreach (string file in Directory.GetFiles(lab, "*", SearchOption.AllDirectories))
            {
                string copy = Path.Combine(folder, Path.GetRelativePath(lab, file));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }

            string fleet = Path.Combine(folder, "topologies", "three-cities.fleet.yaml");
            string text = File.ReadAllText(fleet);
            int from = text.IndexOf("  web:\n", StringComparison.Ordinal);
            string web = text[from..text.IndexOf("  dns:\n    host", StringComparison.Ordinal)];
            // As `web`, and its routes stay whatever its backends do.
            File.WriteAllText(fleet, text.Replace(web, web + web
                .Replace("  web:", "  spilled:", StringComparison.Ordinal)
                .Replace("::1", "::2", StringComparison.Ordinal)
                .Replace(
                    "balance: {mode: l2}", "announce: {when: always}\n    balance: {mode: l2, spill: true}",
                    StringComparison.Ordinal), StringComparison.Ordinal));
            string scenario = Path.Combine(folder, "spill.scn");
            File.WriteAllText(scenario, File.ReadAllText(Fixture.PathOf("lab/spill.scn")).Replace(
                "topology three-cities", $"topology {folder}/topologies/three-cities.yaml", StringComparison.Ordinal));
            Runs(scenario);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Fairlead { get; } = Path.Combine(
        Fixture.Repository, "artifacts", "bin", "Fairlead",
        AppContext.BaseDirectory.Contains("release", StringComparison.Ordinal) ? "release" : "debug", "fairlead");

    private void Runs(string scenario)
    {
        string[] before = Namespaces();
        var start = new ProcessStartInfo(Fairlead, ["lab", "run", scenario, "--output", "json"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> timeline = process.StandardError.ReadToEndAsync();
        string report = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(6)), "not ended in six minutes");
        output.WriteLine(timeline.GetAwaiter().GetResult());
        output.WriteLine(report);

        Assert.NotEmpty(report);
        using JsonDocument read = JsonDocument.Parse(report);
        JsonElement[] verdicts = [.. read.RootElement.GetProperty("verdicts").EnumerateArray()];
        IEnumerable<JsonElement> broken = verdicts.Where(verdict => !verdict.GetProperty("holds").GetBoolean());
        string failed = string.Join('\n', broken.Select(verdict => verdict.GetRawText()));
        Assert.True(failed.Length == 0, $"{failed}\n{timeline.GetAwaiter().GetResult()}");
        Assert.NotEmpty(verdicts);
        Assert.Equal(0, process.ExitCode);
        // A lab that was left standing is taken down by the next one, so there may be less.
        Assert.Empty(Namespaces().Except(before));
    }

    private static string[] Namespaces() =>
        Directory.Exists("/run/netns") ? Directory.GetFiles("/run/netns") : [];
}
