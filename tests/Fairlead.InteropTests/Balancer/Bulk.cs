using System.Net;
using System.Net.Sockets;

namespace Fairlead.InteropTests.Balancer;

/// <summary>Many bytes from the client to backend b1 and back again.</summary>
internal static class Bulk
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>How many bytes arrived there, and how many here.</summary>
    public static async Task<(int There, int Back)> BothWaysAsync(XdpBed bed, string vip, int bytes)
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
        using Socket client = bed.In("client", () => new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        using var patience = new CancellationTokenSource(Patience);
        ValueTask<Socket> accepted = listener.AcceptAsync(patience.Token);
        await client.ConnectAsync(new IPEndPoint(address, 80), patience.Token);
        using Socket server = await accepted;
        return (await MoveAsync(client, server, bytes, patience.Token), await MoveAsync(server, client, bytes, patience.Token));
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
        while (got < bytes)
        {
            int read = await to.ReceiveAsync(buffer, stop);
            if (read == 0) break;
            got += read;
        }

        await sent;
        return got;
    }
}
