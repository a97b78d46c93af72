using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Lab.Backends;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;
using static Fairlead.InteropTests.Lab.BareInternet;

namespace Fairlead.InteropTests.Lab;

public class BackendTests
{
    [InteropFact("ip")]
    public void The_backend_answers_on_its_vips_with_the_clients_own_address_and_is_sick_on_request()
    {
        using var bed = new Bed("fltb");
        bed.AddHost("client");
        bed.AddHost("backend");
        bed.AddLink("client", "eth0", "backend", "eth0");
        bed.AddAddress("client", "eth0", "198.51.100.1/24");
        bed.AddAddress("client", "eth0", "2001:db8:1::1/64");
        bed.AddAddress("backend", "eth0", "198.51.100.5/24");
        bed.AddAddress("backend", "eth0", "2001:db8:1::5/64");
        bed.Ip("client", "route", "add", "192.0.2.10", "via", "198.51.100.5");
        bed.Ip("client", "route", "add", "2001:db8:f00::10", "via", "2001:db8:1::5");
        string sick = Path.Combine(Path.GetTempPath(), $"fltb-sick-{Environment.ProcessId}");
        using var stop = new CancellationTokenSource();
        var options = new BackendOptions
        {
            Name = "b1",
            Vips = [IPAddress.Parse("192.0.2.10"), IPAddress.Parse("2001:db8:f00::10")],
            SickFile = sick,
        };
        var server = new Thread(() => NetworkNamespace.Run(bed.NamespaceOf("backend"), () =>
        {
            BackendServer.Run(options, stop.Token);
            return 0;
        }));
        server.Start();
        try
        {
            string client = bed.NamespaceOf("client");
            Eventually(TimeSpan.FromSeconds(5), () => (Get(client, "192.0.2.10", "/").Contains("200"), "no answer"));
            Assert.EndsWith("\r\n\r\nb1 198.51.100.1\n", Get(client, "192.0.2.10", "/"));
            Assert.EndsWith("\r\n\r\nb1 2001:db8:1::1\n", Get(client, "2001:db8:f00::10", "/"));
            Assert.StartsWith("HTTP/1.1 200 ", Get(client, "198.51.100.5", "/health"));
            File.WriteAllText(sick, "");
            Assert.StartsWith("HTTP/1.1 503 ", Get(client, "198.51.100.5", "/health"));
            Assert.StartsWith("HTTP/1.1 200 ", Get(client, "198.51.100.5", "/"));
            Assert.Equal("b1 198.51.100.1 hello", Ask(client, "192.0.2.10", "hello"));
            Assert.Equal("b1 2001:db8:1::1 hello", Ask(client, "2001:db8:f00::10", "hello"));
        }
        finally
        {
            File.Delete(sick);
            stop.Cancel();
            Assert.True(server.Join(TimeSpan.FromSeconds(5)), "the server does not end");
        }
    }

    /// <summary>The whole answer, or nothing when there is no connection.</summary>
    internal static string Get(string inNamespace, string address, string path)
    {
        try
        {
            using Socket socket = Open(inNamespace, address, 80, SocketType.Stream);
            socket.Send(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"));
            var all = new StringBuilder();
            byte[] buffer = new byte[4096];
            while (socket.Receive(buffer) is > 0 and var more) all.Append(Encoding.ASCII.GetString(buffer, 0, more));
            return all.ToString();
        }
        catch (SocketException)
        {
            return "";
        }
    }

    /// <summary>A connected socket takes only what comes from the address that was asked.</summary>
    private static string Ask(string inNamespace, string address, string payload)
    {
        using Socket socket = Open(inNamespace, address, 7777, SocketType.Dgram);
        socket.Send(Encoding.ASCII.GetBytes(payload));
        byte[] buffer = new byte[4096];
        return Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer));
    }

    private static Socket Open(string inNamespace, string address, int port, SocketType type) =>
        NetworkNamespace.Run(inNamespace, () =>
        {
            var to = new IPEndPoint(IPAddress.Parse(address), port);
            ProtocolType protocol = type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp;
            var socket = new Socket(to.AddressFamily, type, protocol)
            {
                ReceiveTimeout = 2000,
                SendTimeout = 2000,
            };
            socket.Connect(to);
            return socket;
        });
}
