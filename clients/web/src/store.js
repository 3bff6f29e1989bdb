// Stores of enrolled devices. IndexedDB stores the CryptoKeyPair itself; no script can export its private half.

const DATABASE = "openim-gateway";
const STORE = "devices";

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function open() {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return done(opening);
}

/** use runs act in a transaction. It resolves after the transaction is durable. */
async function use(mode, act) {
  const database = await open();
  try {
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const committed = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([done(act(transaction.objectStore(STORE))), committed]);
    return result;
  } finally {
    database.close();
  }
}

/** browserStore stores devices in IndexedDB, by name. */
export const browserStore = {
  load: (name) => use("readonly", (objects) => objects.get(name)),
  save: (name, device) => use("readwrite", (objects) => objects.put(device, name)),
  remove: (name) => use("readwrite", (objects) => objects.delete(name)),
};

/** memoryStore returns a store that lasts as long as the page. */
export function memoryStore() {
  const devices = new Map();
  return {
    load: async (name) => devices.get(name),
    save: async (name, device) => void devices.set(name, device),
    remove: async (name) => void devices.delete(name),
  };
}
