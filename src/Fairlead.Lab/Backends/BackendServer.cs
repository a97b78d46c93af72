using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;

namespace Fairlead.Lab.Backends;

/// <summary>What stands for a user's application, and where it answers.</summary>
public sealed record BackendOptions
{
    /// <summary>What it calls itself in every answer.</summary>
    public required string Name { get; init; }

    /// <summary>Service addresses: put on lo at the start, because packets arrive for them unchanged.</summary>
    public ImmutableArray<IPAddress> Vips { get; init; } = [];

    public int HttpPort { get; init; } = 80;

    public int UdpPort { get; init; } = 7777;

    /// <summary>While this file exists, /health is 503.</summary>
    public string? SickFile { get; init; }
}

/// <summary>
/// A user's application in the lab. HTTP: `GET /` gives "name client-address", `GET /health` 200 or 503. UDP: a
/// datagram comes back as "name client-address payload" from the address that was asked. It sees real client
/// addresses, so a scenario can tell who served whom.
/// </summary>
public static class BackendServer
{
    private const int RequestBytesMax = 8192;

    /// <summary>Serves in the calling thread's network namespace until the token is cancelled.</summary>
    public static void Run(BackendOptions options, CancellationToken cancellation)
    {
        TakeVips(options.Vips);
        List<Socket> sockets =
            [.. UdpAddresses(options).Select(address => Udp(new IPEndPoint(address, options.UdpPort)))];
        foreach (Socket udp in sockets) Start($"udp {udp.LocalEndPoint}", () => EchoUdp(options, udp));
        var listener = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp)
        {
            DualMode = true,
        };
        sockets.Add(listener);
        listener.Bind(new IPEndPoint(IPAddress.IPv6Any, options.HttpPort));
        listener.Listen(512);
        using CancellationTokenRegistration stop =
            cancellation.Register(() => sockets.ForEach(socket => socket.Dispose()));
        AcceptHttp(options, listener);
    }

    private static void TakeVips(ImmutableArray<IPAddress> vips)
    {
        // Several machines of one network hold the same VIP: none may answer ARP for it (ip-sysctl: arp_ignore).
        File.WriteAllText("/proc/sys/net/ipv4/conf/all/arp_ignore", "1");
        File.WriteAllText("/proc/sys/net/ipv4/conf/all/arp_announce", "2");
        foreach (IPAddress vip in vips)
        {
            int length = vip.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
            Command.Run("ip", "address", "replace", $"{vip}/{length}", "dev", "lo");
        }
    }

    /// <summary>
    /// A wildcard socket would answer from whatever address the route prefers; one socket an address answers from the
    /// address that was asked.
    /// </summary>
    private static IEnumerable<IPAddress> UdpAddresses(BackendOptions options) =>
        NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(device => device.GetIPProperties().UnicastAddresses)
            .Select(entry => entry.Address)
            .Where(address => !address.IsIPv6LinkLocal)
            .Concat(options.Vips)
            .Distinct();

    private static Socket Udp(IPEndPoint at)
    {
        const int IPPROTO_IPV6 = 41, IPV6_FREEBIND = 78;
        var socket = new Socket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        // Right after its link came up an IPv6 address is still tentative, and cannot be bound without this.
        if (at.AddressFamily == AddressFamily.InterNetworkV6)
            socket.SetRawSocketOption(IPPROTO_IPV6, IPV6_FREEBIND, [1, 0, 0, 0]);
        socket.Bind(at);
        return socket;
    }

    private static void Start(string name, Action work) =>
        new Thread(() => work()) { IsBackground = true, Name = name }.Start();

    private static void EchoUdp(BackendOptions options, Socket socket)
    {
        byte[] buffer = new byte[65_535];
        EndPoint any = new IPEndPoint(
            socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (true)
        {
            try
            {
                EndPoint from = any;
                int length = socket.ReceiveFrom(buffer, ref from);
                byte[] head = Encoding.ASCII.GetBytes($"{options.Name} {((IPEndPoint)from).Address} ");
                socket.SendTo([.. head, .. buffer.AsSpan(0, length)], from);
            }
            catch (SocketException passing) when (!IsClosed(passing))
            {
                // An ICMP error for an earlier answer is reported here: that client is gone, the others are not.
            }
            catch (Exception closed) when (closed is ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private static void AcceptHttp(BackendOptions options, Socket listener)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = listener.Accept();
            }
            catch (SocketException passing) when (!IsClosed(passing))
            {
                continue; // The client gave up between its SYN and our accept.
            }
            catch (Exception closed) when (closed is ObjectDisposedException or SocketException)
            {
                return;
            }

            // Without a thread each: a thousand clients that stay must not hold up the next check.
            _ = AnswerHttpAsync(options, client);
        }
    }

    private static bool IsClosed(SocketException fault) => fault.SocketErrorCode
        is SocketError.OperationAborted or SocketError.Interrupted or SocketError.NotSocket
        or SocketError.InvalidArgument;

    private static async Task AnswerHttpAsync(BackendOptions options, Socket client)
    {
        using (client)
        {
            try
            {
                byte[] buffer = new byte[RequestBytesMax];
                while (await AnswerOneAsync(options, client, buffer)) continue;
                client.Shutdown(SocketShutdown.Send);
                // Until the client has closed too: closing over unread bytes would reset the connection.
                while (await client.ReceiveAsync(buffer) > 0) continue;
            }
            catch (SocketException)
            {
                // This client is gone; there is nobody to tell.
            }
        }
    }

    /// <summary>True: the client may ask again on this connection.</summary>
    private static async Task<bool> AnswerOneAsync(BackendOptions options, Socket client, byte[] buffer)
    {
        if (await ReadRequestAsync(client, buffer) is not { } request) return false;
        var from = (IPEndPoint)client.RemoteEndPoint!;
        IPAddress address = from.Address.IsIPv4MappedToIPv6 ? from.Address.MapToIPv4() : from.Address;
        (string status, string body) = request.Path switch
        {
            "/" => ("200 OK", $"{options.Name} {address}\n"),
            "/health" when options.SickFile is { } file && File.Exists(file) => ("503 Service Unavailable", "sick\n"),
            "/health" => ("200 OK", "healthy\n"),
            _ => ("404 Not Found", "not found\n"),
        };
        string connection = request.Stays ? "" : "Connection: close\r\n";
        string head = $"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {body.Length}\r\n";
        await client.SendAsync(Encoding.ASCII.GetBytes($"{head}{connection}\r\n{body}"));
        return request.Stays;
    }

    /// <summary>A GET, once its whole head is there. Null: no GET, too long, or the client left.</summary>
    private static async Task<(string Path, bool Stays)?> ReadRequestAsync(Socket client, byte[] buffer)
    {
        int have = 0;
        while (have < buffer.Length)
        {
            int more = await client.ReceiveAsync(buffer.AsMemory(have));
            if (more == 0) return null;
            have += more;
            if (!buffer.AsSpan(0, have).EndsWith("\r\n\r\n"u8)) continue;
            string head = Encoding.ASCII.GetString(buffer, 0, have);
            bool stays = !head.Contains("Connection: close", StringComparison.OrdinalIgnoreCase);
            return head.Split("\r\n")[0].Split(' ') is ["GET", var path, ..] ? (path, stays) : null;
        }

        return null;
    }
}
