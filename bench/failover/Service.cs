using System.Net;
using System.Net.Sockets;

namespace Fairlead.Bench.Failover;

/// <summary>What users come for: it accepts, and says one byte.</summary>
internal static class Service
{
    public static void Run(int port)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Any, port));
        listener.Listen(512);
        while (true)
        {
            using Socket user = listener.Accept();
            try
            {
                user.Send([1]);
            }
            catch (SocketException)
            {
                // It has gone already.
            }
        }
    }
}
