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
