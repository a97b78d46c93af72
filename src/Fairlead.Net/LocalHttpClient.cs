using System.Net.Sockets;

namespace Fairlead.Net;

/// <summary>HTTP over a Unix socket: how a node is asked on its own machine.</summary>
public static class LocalHttpClient
{
    /// <summary>Its base address is http://node/, whoever listens there.</summary>
    public static HttpClient Of(string socketPath, TimeSpan timeout) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, stop) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), stop);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    })
    {
        BaseAddress = new Uri("http://node/"),
        Timeout = timeout,
    };
}
