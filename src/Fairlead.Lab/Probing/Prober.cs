using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Lab.Scenarios;
using Fairlead.Net.Linux;

namespace Fairlead.Lab.Probing;

/// <summary>
/// One client's one probe: a thread of its own inside the client's namespace that asks at its pace until stopped. A
/// request that is not answered within a second has failed; one whose connection is reset is asked once more.
/// </summary>
internal sealed class Prober
{
    private const int WebPort = 80;
    private const int EchoPort = 7777;

    // Poll counts in whole milliseconds, rounded down: less than one would spin.
    private const double ShortestPoll = 0.001;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);
    private static readonly byte[] Get = "GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"u8.ToArray();

    private readonly ProbeSpec spec;
    private readonly string inNamespace;
    private readonly IReadOnlyCollection<IPAddress> ownAddresses;
    private readonly Func<IPAddress, string> popOf;
    private readonly Stopwatch clock;
    private readonly WaitHandle stopped;
    private readonly WaitHandle holding;
    private readonly Thread thread;
    private IPAddress? target;
    private double targetUntil;

    public Prober(
        ProbeSpec spec, ProbeLog log, string inNamespace, IReadOnlyCollection<IPAddress> ownAddresses,
        Func<IPAddress, string> popOf, Stopwatch clock, WaitHandle stopped, WaitHandle holding)
    {
        (this.spec, Log, this.inNamespace, this.ownAddresses) = (spec, log, inNamespace, ownAddresses);
        (this.popOf, this.clock, this.stopped, this.holding) = (popOf, clock, stopped, holding);
        Stays = spec.Kind == ProbeKind.Stay ? new StayLog(spec.Count) : null;
        thread = new Thread(Run) { IsBackground = true, Name = $"{log.Client}/{log.Probe}" };
    }

    public ProbeLog Log { get; }

    /// <summary>Of a probe whose connections stay.</summary>
    public StayLog? Stays { get; }

    private double Now => clock.Elapsed.TotalSeconds;

    public void Start() => thread.Start();

    public void Join() => thread.Join();

    private void Run()
    {
        NetworkNamespace.Enter(inNamespace);
        if (spec.Holds && WaitHandle.WaitAny([stopped, holding]) == 0) return;
        if (Stays is not null)
            new StayingConnections(Stays, new IPEndPoint(spec.Address!, WebPort), spec.Every, clock).Run(stopped);
        else if (spec.Kind == ProbeKind.Echo) RunEcho();
        else RunRequests();
    }

    private void RunRequests()
    {
        double next = Now;
        while (!stopped.WaitOne(0))
        {
            Log.Add(spec.Kind == ProbeKind.Name ? AskName() : AskWeb());
            next = Math.Max(next + spec.Every.TotalSeconds, Now);
            stopped.WaitOne(TimeSpan.FromSeconds(Math.Max(0, next - Now)));
        }
    }

    private ProbeRecord AskName()
    {
        double at = Now;
        (IPAddress Address, uint Ttl)? answer = DnsStub.Ask(spec.Server!, spec.Question!, Limit);
        string pop = answer is null ? "" : popOf(answer.Value.Address);
        return new ProbeRecord(at, Now, answer is not null, false, pop, true);
    }

    private ProbeRecord AskWeb()
    {
        double at = Now;
        if (Target() is not { } address) return new ProbeRecord(at, Now, false, false, "the name has no answer", true);
        string? body = TryGet(address, out SocketError fault);
        bool retried = body is null && fault is SocketError.ConnectionReset or SocketError.ConnectionRefused;
        if (retried) body = TryGet(address, out fault);
        string[] words = body?.Split(' ') ?? [];
        return words.Length == 2
            ? new ProbeRecord(at, Now, true, retried, PopOfBackend(words[0]), IsOwn(words[1]))
            : new ProbeRecord(at, Now, false, retried, $"{address}: {(body is null ? fault : "not 200")}", true);
    }

    /// <summary>The body's first line, or null and the fault.</summary>
    private static string? TryGet(IPAddress address, out SocketError fault)
    {
        fault = SocketError.Success;
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
        {
            Blocking = false,
            NoDelay = true,
        };
        try
        {
            Connect(socket, new IPEndPoint(address, WebPort));
            socket.Blocking = true;
            socket.ReceiveTimeout = socket.SendTimeout = (int)Limit.TotalMilliseconds;
            socket.Send(Get);
            var buffer = new byte[2048];
            int length = 0;
            for (int read = -1; read != 0 && length < buffer.Length; length += read)
                read = socket.Receive(buffer, length, buffer.Length - length, SocketFlags.None);
            string[] parts = Encoding.ASCII.GetString(buffer, 0, length).Split("\r\n\r\n", 2);
            bool good = parts.Length == 2 && parts[0].StartsWith("HTTP/1.1 200", StringComparison.Ordinal);
            return good ? parts[1].Split('\n')[0].Trim() : "";
        }
        catch (SocketException thrown)
        {
            fault = thrown.SocketErrorCode;
            return null;
        }
    }

    private static void Connect(Socket socket, IPEndPoint end)
    {
        try
        {
            socket.Connect(end);
        }
        catch (SocketException fault) when (fault.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            if (!socket.Poll(Limit, SelectMode.SelectWrite)) throw new SocketException((int)SocketError.TimedOut);
            int error = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
            if (error != 0) throw new SocketException(error);
        }
    }

    /// <summary>Sends at its pace whatever comes back; an answer counts at the moment it arrives.</summary>
    private void RunEcho()
    {
        while (Target() is null && !stopped.WaitOne(TimeSpan.FromMilliseconds(100)))
        {
            // The name must be answered once; then the address is held.
        }

        if (target is null) return;
        using var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
        var end = new IPEndPoint(target, EchoPort);
        var buffer = new byte[256];
        double next = Now;
        while (!stopped.WaitOne(0))
        {
            Exchange(() => socket.SendTo("probe"u8, end));
            next += spec.Every.TotalSeconds;
            while (Now < next)
            {
                var wait = TimeSpan.FromSeconds(Math.Max(ShortestPoll, next - Now));
                if (!socket.Poll(wait, SelectMode.SelectRead)) continue;
                EndPoint from = new IPEndPoint(IPAddress.IPv6Any, 0);
                int length = Exchange(() => socket.ReceiveFrom(buffer, ref from));
                if (length <= 0) continue;
                string[] words = Encoding.ASCII.GetString(buffer, 0, length).Split(' ');
                bool own = words.Length > 1 && IsOwn(words[1]);
                Log.Add(new ProbeRecord(Now, Now, true, false, PopOfBackend(words[0]), own));
            }
        }
    }

    /// <summary>Unreachable networks are what a probe is there to see: 0 then, and on it goes.</summary>
    private static int Exchange(Func<int> call)
    {
        try
        {
            return call();
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private IPAddress? Target()
    {
        if (spec.Address is not null) return target = spec.Address;
        if (target is not null && (spec.Holds || Now < targetUntil)) return target;
        if (DnsStub.Ask(spec.Server!, spec.Question!, Limit) is not { } answer) return target;
        (target, targetUntil) = (answer.Address, Now + answer.Ttl);
        return target;
    }

    private bool IsOwn(string address) =>
        IPAddress.TryParse(address, out IPAddress? seen) && ownAddresses.Contains(seen);

    /// <summary>Backends are called POP-NAME.</summary>
    private static string PopOfBackend(string backend) => backend.Split('-')[0];
}
