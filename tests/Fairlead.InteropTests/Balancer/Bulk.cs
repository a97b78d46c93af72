using System.Net;
using System.Net.Sockets;

namespace Fairlead.InteropTests.Balancer;

/// <summary>Many bytes from the a client to backend b1 and back again.</summary>
internal static class Bulk
{
    public const int Bytes = 2_000_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>How many bytes arrived there, and how many here.</summary>
    public static async Task<(int There, int Back)> BothWaysAsync(XdpBed bed, string from, string vip)
    {
        var address = IPAddress.Parse(vip);
        using Socket listener = bed.In("b1", () =>
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(address, 80));
            socket.Listen(8);
            return socket;
        });
        using Socket client = bed.In(
            from, () => new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        using var patience = new CancellationTokenSource(Patience);
        ValueTask<Socket> accepted = listener.AcceptAsync(patience.Token);
        await client.ConnectAsync(new IPEndPoint(address, 80), patience.Token);
        using Socket server = await accepted;
        int there = await MoveAsync(client, server, Bytes, patience.Token);
        return (there, await MoveAsync(server, client, Bytes, patience.Token));
    }

    private static async Task<int> MoveAsync(Socket from, Socket to, int bytes, CancellationToken stop)
    {
        Task sent = Task.Run(
            async () =>
            {
                byte[] block = new byte[1 << 16];
                for (int left = bytes; left > 0; left -= Math.Min(left, block.Length))
                    for (int at = 0, size = Math.Min(left, block.Length); at < size;)
                        at += await from.SendAsync(block.AsMemory(at, size - at), stop);
            },
            stop);
        byte[] buffer = new byte[1 << 16];
        int got = 0;
        try
        {
            while (got < bytes && await to.ReceiveAsync(buffer, stop) is > 0 and var read) got += read;
            await sent;
        }
        catch (OperationCanceledException)
        {
            // What has arrived by then says it.
        }

        return got;
    }
}
