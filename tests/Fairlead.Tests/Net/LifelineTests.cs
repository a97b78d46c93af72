using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Linux;

namespace Fairlead.Tests.Net;

/// <summary>Both sides in one process: what another process sees of it is in the interop tests.</summary>
public class LifelineTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Fact]
    public void Who_waits_goes_on_when_it_is_let_go_and_not_before()
    {
        var lifeline = new Lifeline();
        using var ended = new ManualResetEventSlim();
        var waiting = new Thread(() =>
        {
            Lifeline.AwaitEnd(lifeline.Fd);
            ended.Set();
        });
        waiting.Start();

        Assert.False(ended.Wait(TimeSpan.FromMilliseconds(50)));
        lifeline.Dispose();
        Assert.True(ended.Wait(Soon));
        waiting.Join();
    }

    [Fact]
    public void A_descriptor_that_was_sent_is_the_same_open_socket()
    {
        (DescriptorChannel one, DescriptorChannel other) = Connected();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        client.Connect((IPEndPoint)listener.LocalEndpoint);
        using Socket server = listener.AcceptSocket();

        Assert.True(one.Send(7, (int)client.Client.Handle));
        Assert.True(one.Send(-7));
        Assert.True(other.Receive(out int number, out int descriptor));
        Assert.Equal(7, number);
        Assert.Equal(0, Libc.Shutdown(descriptor, Libc.SHUT_RDWR));
        server.ReceiveTimeout = (int)Soon.TotalMilliseconds;
        Assert.Equal(0, server.Receive(new byte[1]));

        Libc.CloseOnce(ref descriptor);
        Assert.True(other.Receive(out number, out descriptor));
        Assert.Equal((-7, -1), (number, descriptor));
        one.Dispose();
        Assert.False(other.Receive(out _, out _));
        other.Dispose();
    }

    [Fact]
    public void Only_the_process_that_is_awaited_is_let_in()
    {
        using DescriptorChannel door = Door(out string name);
        using DescriptorChannel? stranger = DescriptorChannel.Connect(name);
        Assert.NotNull(stranger);

        using Process other = Process.GetProcessById(1);
        Assert.Null(door.Accept(other.Id));

        Assert.False(stranger.Receive(out _, out _));
        Assert.Null(DescriptorChannel.Connect($"{name}-nobody"));
    }

    private static (DescriptorChannel One, DescriptorChannel Other) Connected()
    {
        using DescriptorChannel door = Door(out string name);
        DescriptorChannel other = DescriptorChannel.Connect(name)!;
        return (door.Accept(Environment.ProcessId)!, other);
    }

    private static DescriptorChannel Door(out string name) =>
        DescriptorChannel.Listen(name = $"fairlead-test-{Guid.NewGuid():N}");
}
