using System.Diagnostics;
using Fairlead.Net.Linux;

namespace Fairlead.Tests.Net;

public class ProcessStateTests
{
    [Fact]
    public void A_process_is_stopped_by_a_signal_runs_again_and_is_stopped_for_good_when_dead()
    {
        using Process sleeper = Process.Start("sleep", "60");
        using var state = new ProcessState(sleeper.Id);
        Assert.False(state.IsStopped());

        Signal(sleeper, "-STOP");
        Assert.True(SpinWait.SpinUntil(state.IsStopped, 10_000));
        Signal(sleeper, "-CONT");
        Assert.True(SpinWait.SpinUntil(() => !state.IsStopped(), 10_000));
        sleeper.Kill();
        sleeper.WaitForExit();

        Assert.True(state.IsStopped());
    }

    [Fact]
    public void A_process_that_is_not_there_counts_as_stopped()
    {
        using var state = new ProcessState(int.MaxValue);
        Assert.True(state.IsStopped());
    }

    private static void Signal(Process process, string signal)
    {
        using Process kill = Process.Start("kill", [signal, $"{process.Id}"]);
        kill.WaitForExit();
    }
}
