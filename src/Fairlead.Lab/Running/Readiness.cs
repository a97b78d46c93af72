using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Lab.Running;

/// <summary>Asks a program once whether it is ready.</summary>
internal static class Readiness
{
    /// <summary>A lost packet is not worth waiting for: the caller asks again.</summary>
    private static readonly TimeSpan OneTry = TimeSpan.FromMilliseconds(250);

    public static bool Ask(ReadyKind kind, string target, string[] words, string inNamespace)
    {
        try
        {
            return kind switch
            {
                ReadyKind.Socket => TakesConnection(target),
                ReadyKind.Tcp => Tcp(target, inNamespace),
                ReadyKind.Http => Http(target, inNamespace),
                _ => Command.Try("ip", OneTry, null, ["netns", "exec", inNamespace, .. words]).Exit == 0,
            };
        }
        catch (Exception notYet) when (notYet is SocketException or IOException)
        {
            return false;
        }
    }

    private static bool TakesConnection(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return true;
    }

    private static bool Tcp(string target, string inNamespace)
    {
        using Socket? socket = Connect(IPEndPoint.Parse(target), inNamespace);
        return socket is not null;
    }

    private static bool Http(string target, string inNamespace)
    {
        var url = new Uri(target);
        using Socket? socket = Connect(new IPEndPoint(IPAddress.Parse(url.Host.Trim('[', ']')), url.Port), inNamespace);
        if (socket is null) return false;
        socket.ReceiveTimeout = (int)OneTry.TotalMilliseconds;
        socket.Send(Encoding.ASCII.GetBytes(
            $"GET {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\nConnection: close\r\n\r\n"));
        Span<byte> head = stackalloc byte["HTTP/1.1 200".Length];
        int have = 0;
        while (have < head.Length && socket.Receive(head[have..]) is > 0 and var more) have += more;
        return have == head.Length && head[9..].SequenceEqual("200"u8);
    }

    private static Socket? Connect(IPEndPoint to, string inNamespace)
    {
        Socket socket = NetworkNamespace.Run(
            inNamespace, () => new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false });
        try
        {
            socket.Connect(to);
        }
        catch (SocketException starting)
            when (starting.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            // A socket that does not block says so, and connects meanwhile.
        }

        bool connected = socket.Poll(OneTry, SelectMode.SelectWrite)
            && socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error) is 0;
        if (connected)
        {
            socket.Blocking = true;
            return socket;
        }

        socket.Dispose();
        return null;
    }
}
