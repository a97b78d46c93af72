using Fairlead.Net.Linux;
using Microsoft.Win32.SafeHandles;

namespace Fairlead.Tests.Net;

/// <summary>
/// A descriptor's number is given out again at once: who closes or writes twice does it to somebody else. Seen as a
/// program's output that never came to its end, in another test of the same process.
/// </summary>
public class DescriptorTests
{
    [Fact]
    public void A_poller_that_is_disposed_again_and_woken_leaves_others_alone() => Check(() =>
    {
        var poller = new Poller();
        return (poller, poller.Wake);
    });

    [Fact]
    public void An_event_poll_that_is_disposed_again_and_woken_leaves_others_alone() => Check(() =>
    {
        var poll = new EventPoll();
        return (poll, poll.Wake);
    });

    [Fact]
    public void A_kernel_object_that_is_disposed_again_leaves_others_alone() => Check(() =>
    {
        var one = new BpfObject(Libc.Open("/dev/null", Libc.O_RDONLY | Libc.O_CLOEXEC));
        return (one, () => { });
    });

    [Fact]
    public void The_kernels_routes_disposed_of_again_leave_others_alone() =>
        Check(() => (new RouteNetlink(), () => { }));

    [Fact]
    public void A_look_at_a_process_disposed_of_again_leaves_others_alone() =>
        Check(() => (new ProcessState(Environment.ProcessId), () => { }));

    private static void Check(Func<(IDisposable One, Action Use)> make)
    {
        (IDisposable one, Action use) = make();
        one.Dispose();
        // More than the one had, so that its numbers are among theirs.
        string path = Path.GetTempFileName();
        SafeFileHandle[] others =
        [
            .. Enumerable.Range(0, 64).Select(
                _ => File.OpenHandle(path, access: FileAccess.ReadWrite, share: FileShare.ReadWrite)),
        ];
        try
        {
            one.Dispose();
            use();
            Assert.All(others, other => Assert.Equal(0, RandomAccess.GetLength(other)));
        }
        finally
        {
            foreach (SafeFileHandle other in others) other.Dispose();
            File.Delete(path);
        }
    }
}
