using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Linux;

namespace Fairlead.Tests.Net;

public class OwnDescriptorsTests
{
    [Fact]
    public void What_a_separate_thread_opens_is_closed_as_it_ends_and_what_others_close_does_not_stay_open_in_it()
    {
        using var mine = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        mine.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        mine.Listen();
        using var others = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        others.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        EndPoint othersAddress = others.LocalEndPoint!;
        int port = ((IPEndPoint)mine.LocalEndPoint!).Port;
        using var connected = new ManualResetEventSlim();
        using var end = new ManualResetEventSlim();
        bool separate = false;
        int error = -1;
        var thread = new Thread(() =>
        {
            separate = OwnDescriptors.Separate();
            KernelSocket socket = KernelSocket.Tcp(AddressFamily.InterNetwork);
            error = socket.Connect(IPAddress.Loopback, port);
            connected.Set();
            end.Wait(); // And ends without closing.
        });
        thread.Start();
        connected.Wait();

        Assert.True(separate);
        Assert.True(error is 0 or Libc.EINPROGRESS, $"errno {error}");
        using Socket accepted = mine.Accept();
        accepted.ReceiveTimeout = 10_000;
        others.Close();
        using (var again = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
            again.Bind(othersAddress);
        end.Set();
        thread.Join();

        Assert.Equal(0, accepted.Receive(new byte[1]));
    }

    [Fact]
    public void A_wake_up_that_is_named_reaches_a_separate_thread()
    {
        using var poller = new Poller();
        using var ready = new ManualResetEventSlim();
        bool woken = false;
        var thread = new Thread(() =>
        {
            OwnDescriptors.Separate(poller.WakeFd);
            ready.Set();
            var clock = System.Diagnostics.Stopwatch.StartNew();
            poller.Wait(TimeSpan.FromSeconds(30));
            woken = clock.Elapsed < TimeSpan.FromSeconds(20);
        });
        thread.Start();
        ready.Wait();

        poller.Wake();
        thread.Join();

        Assert.True(woken);
    }
}
