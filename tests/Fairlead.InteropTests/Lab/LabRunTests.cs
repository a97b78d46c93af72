using System.Diagnostics;
using Fairlead.Lab;
using Fairlead.Lab.Running;
using static Fairlead.InteropTests.Lab.BareInternet;

namespace Fairlead.InteropTests.Lab;

/// <summary>Coming up, standing, and above all: leaving nothing behind.</summary>
public class LabRunTests
{
    [InteropFact("bird", "birdc", "ip")]
    public void A_lab_that_was_left_standing_is_found_again_and_taken_away_by_anyone()
    {
        LabOptions options = Options("fltl");
        using (LabRun lab = LabRun.Up(options, default))
        {
            var held = Assert.Throws<LabException>(() => LabRun.Up(options, default));
            Assert.Equal(LabFault.Busy, held.Kind);
            Assert.Contains($"process {Environment.ProcessId} ", held.Message);
            Assert.Equal(LabFault.Busy, Assert.Throws<LabException>(() => LabRun.Down(options)).Kind);
            lab.Leave();
        }

        Assert.Contains("is up", Assert.Throws<LabException>(() => LabRun.Up(options, default)).Message);
        using (LabRun found = LabRun.Attach(options))
        {
            Eventually(TimeSpan.FromSeconds(10), () =>
            {
                HostStatus transit = found.Status().Hosts.Single(host => host.Name == "t-world");
                return (transit.Sessions.Count(session => session.IsUp) == 12, transit.ToString());
            });
            HostStatus node = found.Status().Hosts.Single(host => host.Name == "nyc1");
            Assert.Equal(new ProcessStatus("node", null, false), Assert.Single(node.Processes));
            Assert.Equal(3, found.ExecAttached("us", "sh", "-c", "exit 3"));
            Assert.Equal(LabFault.Unknown, Assert.Throws<LabException>(() => found.Exec("nowhere", "true")).Kind);
        }

        Assert.Equal((13, 33), LabRun.Down(options));
        Assert.Equal((0, 0), LabRun.Down(options));
        Assert.Equal(LabFault.Unknown, Assert.Throws<LabException>(() => LabRun.Attach(options)).Kind);
        AssertNothingLeft(options);
    }

    [InteropFact("bird", "ip")]
    public void What_a_dead_run_left_is_cleaned_first_and_strangers_are_spared()
    {
        var said = new List<string>();
        LabOptions options = Options("fltd") with { Progress = said.Add };
        using Process stranger = Process.Start("sleep", "60");
        LabProcess[] before;
        using (LabRun dead = LabRun.Up(options, default))
        {
            dead.StartProcess("us", "sh", "-c", "setsid sleep 61 & wait"); // One that no state file knows.
            dead.Leave();
            before = [.. dead.State.Processes];
            // As kill -9 leaves it; and an id that the kernel has meanwhile given to somebody else.
            (dead.State with { Stands = false, Processes = [.. before, new("us", "old", stranger.Id, 1)] })
                .Save(dead.RunFolder);
        }

        said.Clear();
        using (LabRun.Up(options, default))
        {
            Assert.Equal("cleaned what a dead run of three-cities left: 14 processes, 33 namespaces", said[0]);
            Assert.All(before, process => Assert.False(process.IsAlive));
            Assert.False(stranger.HasExited);
        }

        Assert.False(stranger.HasExited);
        stranger.Kill();
        AssertNothingLeft(options);
    }

    [InteropFact("bird", "ip")]
    public void A_start_that_is_broken_off_or_fails_leaves_nothing()
    {
        using var stop = new CancellationTokenSource();
        LabOptions options = Options("fltc") with { Progress = _ => stop.Cancel() };
        Assert.ThrowsAny<OperationCanceledException>(() => LabRun.Up(options, stop.Token));
        AssertNothingLeft(options, keepRoot: true);

        options = options with
        {
            Progress = _ => { },
            Files = options.Files.SetItem("lon-edge", "router id nonsense;\n"),
        };
        var fault = Assert.Throws<LabException>(() => LabRun.Up(options, default));
        Assert.Equal(LabFault.Program, fault.Kind);
        Assert.Contains("lon-edge: edge-router ended: bird: ", fault.Message);
        Assert.Contains("syntax error", fault.Message);
        AssertNothingLeft(options, keepRoot: true);

        options = options with { Files = Options("fltc").Files.Remove("lon-edge"), Fairlead = "/bin/false" };
        fault = Assert.Throws<LabException>(() => LabRun.Up(options, default));
        Assert.StartsWith("lon-edge: edge-router: /bin/false router-config bird --fleet ", fault.Message);
        AssertNothingLeft(options);
    }

    [InteropFact("bird", "etcd", "unbound", "ip")]
    public void The_store_and_the_resolver_come_up_across_the_pops_and_survive_the_loss_of_one()
    {
        LabOptions options = Options("flte", "etcd", "resolver");
        using LabRun lab = LabRun.Up(options, default);
        string[] put = ["--endpoints", "http://198.51.100.23:2379", "put", "key", "one"];
        Assert.Equal(0, lab.Exec("lon1", "env", ["ETCDCTL_API=3", "etcdctl", .. put]).Exit);
        lab.CutLinks("nyc-edge");
        Eventually(TimeSpan.FromSeconds(10), () =>
        {
            (int exit, _, string error) = lab.Exec("lon1", "env", ["ETCDCTL_API=3", "etcdctl", .. put]);
            return (exit == 0, error);
        });
        lab.RestoreLinks("nyc-edge");
        lab.RestartHost("nyc-etcd", default);
        lab.Down();
        AssertNothingLeft(options);
    }

    private static void AssertNothingLeft(LabOptions options, bool keepRoot = false)
    {
        Assert.DoesNotContain($"{options.Prefix}-", Command.Run("ip", "netns", "list"));
        Assert.Empty(Directory.EnumerateDirectories(options.RunRoot));
        if (!keepRoot) Directory.Delete(options.RunRoot, recursive: true);
    }
}
