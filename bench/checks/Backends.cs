using System.Net;
using System.Net.Sockets;

namespace Fairlead.Bench.Checks;

/// <summary>What is checked: one process with a TCP, an HTTP and a UDP port on every loopback address.</summary>
internal static class Backends
{
    public const int Tcp = 18100;
    public const int Http = 18101;
    public const int Udp = 18102;

    private static readonly byte[] Pong = "+PONG\r\n"u8.ToArray();

    private static readonly byte[] Ok =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"u8.ToArray();

    public static async Task<int> ServeAsync()
    {
        await Task.WhenAll(AcceptAsync(Tcp, Pong), AcceptAsync(Http, Ok), EchoAsync());
        return 0;
    }

    public static async Task AwaitAsync()
    {
        while (true)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, Http);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(50);
            }
        }
    }

    private static async Task AcceptAsync(int port, byte[] answer)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Any, port));
        listener.Listen(4096);
        while (true) _ = TreatAsync(await listener.AcceptAsync(), answer);
    }

    private static async Task TreatAsync(Socket client, byte[] answer)
    {
        using (client)
        {
            try
            {
                byte[] asked = new byte[1024];
                while (await client.ReceiveAsync(asked) > 0) await client.SendAsync(answer);
            }
            catch (SocketException)
            {
                // A check ends its connection with a reset.
            }
        }
    }

    private static async Task EchoAsync()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Any, Udp));
        byte[] asked = new byte[1024];
        while (true)
        {
            try
            {
                SocketReceiveFromResult from = await socket.ReceiveFromAsync(asked, new IPEndPoint(IPAddress.Any, 0));
                await socket.SendToAsync(asked.AsMemory(0, from.ReceivedBytes), from.RemoteEndPoint);
            }
            catch (SocketException)
            {
                // Who asked has closed already.
            }
        }
    }
}
